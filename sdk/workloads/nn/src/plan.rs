//! Launch plans: which kernel runs over which rows, in which order.

use tessera_front_end::{BufferIndex, PlanWriter, float, number};
use tessera_protocol::spec::{Arg, LaunchPlan};

use crate::{
    pack::Place,
    products::{Room, Rooms},
    texts::Texts,
};

/// Threads of a block that share a row, as in `kernels/rows.cuh`.
pub(crate) const ROW_THREADS: u32 = 64;
/// Threads of a block of `attend`, and of `choose` and `score`, as in the kernels.
const ATTEND_THREADS: u32 = 32;
const CHOOSE_THREADS: u32 = 128;
/// Most keys that a row attends to: there is a float for each in shared memory.
pub(crate) const MAX_KEYS: usize = 12_000;
/// Most rows that are scored together, and most logits of them: 64 MiB.
const SCORED_ROWS: usize = 512;
const SCORED_LOGITS: usize = 1 << 24;

/// A buffer of the plan.
pub(crate) type Memory = BufferIndex;

/// Buffers that every plan has, by their index.
pub(crate) const WEIGHTS: Memory = 0;
pub(crate) const TEXTS: Memory = 1;
const ROWS: Memory = 2;
const SEQUENCES: Memory = 3;

/// A plan being written. Launches work on the rows in the buffer `at_work`, of which there are at most `rows`.
pub(crate) struct Planner {
    writer: PlanWriter,
    batch: u32,
    /// Where launches from here on find their rows, and how many at most.
    pub at_work: Memory,
    pub rows: u32,
    /// Whether many rows of bytes are multiplied by tensor cores.
    pub tensor_cores: bool,
    /// What products need besides what they read and write.
    rooms: Rooms,
}

/// What attention works on.
pub(crate) struct Attention {
    /// Values of all queries of a row, and of all its keys.
    pub queries: u32,
    pub keys: u32,
    /// Values of a head.
    pub head: u32,
    /// Positions of a text in the cache.
    pub context: u32,
    /// Whether a row sees only what stands before it, and itself.
    pub causal: bool,
}

impl Attention {
    /// Bytes of the keys, or of the values, of a layer.
    pub fn cache_len(&self, batch: u32) -> u64 {
        u64::from(batch) * u64::from(self.context) * u64::from(self.keys) * 4
    }
}

/// How tokens are chosen.
pub(crate) struct Choice {
    pub vocabulary: u32,
    pub most: u32,
    pub inverse: f32,
    pub top: u32,
    pub part: u64,
    pub seed: u64,
}

/// The start of a buffer, as an argument.
pub(crate) fn at(index: Memory) -> Arg {
    tessera_front_end::at(index, 0)
}

/// A part of the weights.
pub(crate) fn weight(offset: Place) -> Arg {
    tessera_front_end::at(WEIGHTS, offset)
}

impl Planner {
    /// A plan whose units begin with the texts' rows.
    pub fn new(weights_len: usize, tensor_cores: bool, texts: &Texts) -> Self {
        let mut writer = PlanWriter::default();
        writer.input((0, weights_len as u64));
        writer.input((1, texts.words.len() as u64));
        let rooms = Rooms::default();
        let mut this = Self { writer, batch: texts.batch, at_work: ROWS, rows: texts.rows, tensor_cores, rooms };
        this.buffer(16 + 16 * u64::from(texts.rows.max(texts.batch)));
        this.buffer(8 * u64::from(texts.batch));
        let blocks = texts.rows.max(texts.batch).div_ceil(ROW_THREADS);
        let args = vec![at(TEXTS), at(ROWS), at(SEQUENCES), Arg::Unit32, number(texts.stride), number(texts.batch)];
        this.launch("begin", [blocks, 1, 1], [ROW_THREADS, 1, 1], args);
        this
    }

    /// Memory that is zero when a unit starts.
    pub fn buffer(&mut self, len: u64) -> Memory {
        self.writer.zeros(len)
    }

    /// Memory for `width` floats of each row.
    pub fn row_buffer(&mut self, width: usize) -> Memory {
        self.buffer(u64::from(self.rows) * width as u64 * 4)
    }

    /// An input, read-only.
    pub fn input(&mut self, n: u16, len: usize) -> Memory {
        self.writer.input((n, len as u64))
    }

    /// Memory of at least this length, the same for all that ask for this room.
    pub fn room(&mut self, room: Room, len: u64) -> Memory {
        let (memory, has) = self.rooms[room as usize].unwrap_or_else(|| (self.writer.zeros(0), 0));
        if len > has {
            self.writer.more(memory, len - has, 1);
        }
        self.rooms[room as usize] = Some((memory, len.max(has)));
        memory
    }

    /// Number of launches so far.
    pub fn position(&self) -> usize {
        self.writer.position()
    }

    /// Everything from launch `first` on runs `times` times.
    pub fn repeat(&mut self, first: usize, times: u32) {
        self.writer.repeat(first, times);
    }

    pub fn finish(self, output: Memory) -> LaunchPlan {
        self.writer.finish(output)
    }

    pub fn launch(&mut self, kernel: &str, grid: [u32; 3], block: [u32; 3], args: Vec<Arg>) {
        self.writer.launch(kernel, grid, block, args);
    }

    /// A launch with a block for each row; the rows are its first parameter.
    pub fn by_row(&mut self, kernel: &str, args: Vec<Arg>) {
        let args = [at(self.at_work)].into_iter().chain(args).collect();
        self.launch(kernel, [self.rows, 1, 1], [ROW_THREADS, 1, 1], args);
    }

    pub fn embed_encoder(&mut self, tables: [Place; 3], norm: [Place; 2], x: Memory, width: usize, epsilon: f32) {
        let args = tables.into_iter().chain(norm).map(weight);
        let args = args.chain([at(x), number(width as u32), float(epsilon)]).collect();
        self.by_row("embed_encoder", args);
    }

    pub fn layer_norm(&mut self, x: Memory, norm: [Place; 2], y: Memory, width: usize, epsilon: f32) {
        let [scale, bias] = norm.map(weight);
        self.by_row("layer_norm", vec![at(x), scale, bias, at(y), number(width as u32), float(epsilon)]);
    }

    pub fn embed_decoder(&mut self, words: Place, x: Memory, width: usize) {
        self.by_row("embed_decoder", vec![weight(words), at(x), number(width as u32)]);
    }

    pub fn rms_norm(&mut self, x: Memory, scale: Place, y: Memory, width: usize, epsilon: f32) {
        self.by_row("rms_norm", vec![at(x), weight(scale), at(y), number(width as u32), float(epsilon)]);
    }

    pub fn gelu(&mut self, x: Memory, inner: usize) {
        let grid = [self.rows, (inner as u32).div_ceil(ROW_THREADS), 1];
        self.launch("gelu", grid, [ROW_THREADS, 1, 1], vec![at(self.at_work), at(x), number(inner as u32)]);
    }

    pub fn gate(&mut self, x: Memory, y: Memory, inner: usize) {
        let grid = [self.rows, (inner as u32).div_ceil(ROW_THREADS), 1];
        self.launch("gate", grid, [ROW_THREADS, 1, 1], vec![at(self.at_work), at(x), at(y), number(inner as u32)]);
    }

    /// Keys and values go into the cache, and every row attends. With `turns`, queries and keys are turned before. `caches` are
    /// those of keys and values, each with the first byte of the layer.
    pub fn attention(&mut self, shape: &Attention, parts: Memory, turns: Option<Memory>, caches: [Arg; 2], y: Memory) {
        let [cache_k, cache_v] = caches;
        let &Attention { queries, keys, head, context, causal } = shape;
        match turns {
            None => self.by_row(
                "keep",
                vec![at(parts), cache_k.clone(), cache_v.clone(), number(queries), number(keys), number(context)],
            ),
            Some(turns) => {
                let args = vec![at(parts), at(turns), cache_k.clone(), cache_v.clone()];
                let numbers = [queries, keys, head, context].map(number);
                self.by_row("turn_and_keep", args.into_iter().chain(numbers).collect());
            }
        }
        let group = queries / keys;
        let scale = (1.0 / libm::sqrt(f64::from(head))) as f32;
        let buffers = [at(self.at_work), at(SEQUENCES), at(parts), cache_k, cache_v, at(y)];
        let numbers = [queries, keys, head, group, context, u32::from(causal)].map(number);
        let args = buffers.into_iter().chain(numbers).chain([float(scale)]).collect();
        let grid = [self.rows, queries / head, 1];
        self.writer.launch_with("attend", grid, [ATTEND_THREADS, 1, 1], context * 4, args);
    }

    pub fn pool(&mut self, x: Memory, y: Memory, width: usize, mode: u32, unit_length: bool) {
        let args = vec![at(SEQUENCES), at(x), at(y), number(width as u32), number(mode), number(unit_length.into())];
        self.launch("pool", [self.batch, 1, 1], [ROW_THREADS, 1, 1], args);
    }

    /// The rows at work become the last ones of the texts.
    pub fn last_rows(&mut self) {
        self.launch("last_rows", [1; 3], [1; 3], vec![at(self.at_work), at(SEQUENCES), number(self.batch)]);
        self.rows = self.batch;
    }

    /// The rows at work become the last tokens of the answers that go on.
    pub fn next_rows(&mut self, answers: Memory, most: u32) {
        let args = vec![at(self.at_work), at(SEQUENCES), at(answers), number(self.batch), number(most)];
        self.launch("next_rows", [1; 3], [1; 3], args);
        self.rows = self.batch;
    }

    pub fn choose(&mut self, logits: Memory, weights: Memory, answers: Memory, choice: &Choice) {
        let buffers = [at(self.at_work), at(TEXTS), at(logits), at(weights), at(answers)];
        let numbers = [choice.vocabulary, self.batch, choice.most].map(number);
        let how = [float(choice.inverse), number(choice.top), Arg::Bits64(choice.part)];
        let seed = [number(choice.seed as u32), number((choice.seed >> 32) as u32)];
        let args = buffers.into_iter().chain(numbers).chain(how).chain(seed).collect();
        self.launch("choose", [self.rows, 1, 1], [CHOOSE_THREADS, 1, 1], args);
    }

    /// The rows at work become those to score, with the tokens that follow them: in each round of what comes from here on another run
    /// of rows, so that their logits need little room. How many rounds there are.
    pub fn rows_to_score(&mut self, vocabulary: usize) -> u32 {
        let (all, count) = (self.at_work, self.rows);
        self.rows = (SCORED_LOGITS / vocabulary).clamp(1, SCORED_ROWS.min(count as usize)) as u32;
        self.at_work = self.buffer(16 + 16 * u64::from(self.rows));
        let args = vec![at(all), at(self.at_work), number(self.rows), Arg::Round32];
        self.launch("rows_to_score", [self.rows.div_ceil(ROW_THREADS), 1, 1], [ROW_THREADS, 1, 1], args);
        count.div_ceil(self.rows)
    }

    /// How likely the tokens of the rows at work are goes to `scores`, which has `words` for each text.
    pub fn score(&mut self, logits: Memory, scores: Memory, vocabulary: usize, words: u32) {
        let buffers = [self.at_work, SEQUENCES, logits, scores].map(at);
        let args = buffers.into_iter().chain([number(vocabulary as u32), number(words)]).collect();
        self.launch("score", [self.rows, 1, 1], [CHOOSE_THREADS, 1, 1], args);
    }
}

//! Applies each instruction to all its edge values, and to random ones, and compares two executors lane by lane.

use fastrand::Rng;
use rayon::prelude::*;

use crate::Error;
use crate::pattern::{Form, Operand, forms};
use crate::table::{Row, Table};
use crate::templates::Where;
use crate::values::Type;
use crate::work::{Argument, Engine, GAS, Outcome, Work, in_profile};

/// Lanes with random operands beside those with edge values.
const RANDOM: usize = 2048;
/// Lanes with random edge values, where all combinations of edges would be too many.
const SAMPLED: usize = 16_384;
/// Threads of a block: whole warps.
const BLOCK: usize = 128;
/// Bytes of a value in the input and in the output.
const SLOT: usize = 8;

/// A kernel of one instruction.
struct Kernel {
    name: String,
    work: Work,
    reads: Vec<Type>,
    writes: usize,
}

/// Compares two executors. `only`: opcodes of this name alone.
///
/// # Errors
/// If the machine does not take a form.
pub fn compare(expected: Engine<'_>, found: Engine<'_>, only: Option<&str>) -> Result<Table, Error> {
    let opcode = |form: &Form| form.instructions[0].opcode.split('.').next().unwrap_or_default().to_string();
    let wanted: Vec<&Form> =
        forms().iter().flatten().filter(|form| alone(form) && only.is_none_or(|only| opcode(form) == only)).collect();
    let one = |form: &&Form| -> Result<(String, Row), Error> { Ok((opcode(form), run(form, expected, found)?)) };
    // A GPU runs one kernel after the other.
    let rows: Vec<(String, Row)> = if matches!(found, Engine::Device(..)) {
        wanted.iter().map(one).collect::<Result<_, _>>()?
    } else {
        wanted.par_iter().map(one).collect::<Result<_, _>>()?
    };
    let mut table = Table::default();
    for (name, row) in rows {
        let all = table.rows.entry(name).or_default();
        all.forms += 1;
        all.cases += row.cases;
        all.equal += row.equal;
        all.different += row.different;
        all.first = all.first.take().or(row.first);
    }
    Ok(table)
}

/// The kernels of all forms, by name: what an assembler may be asked about.
#[must_use]
pub fn kernels() -> Vec<(String, String)> {
    let forms = forms().iter().flatten().filter(|form| alone(form));
    forms.map(|form| (form.name(), Kernel::new(form, 0).work.text)).collect()
}

/// Whether a form works on registers alone; memory and barriers are left to programs.
fn alone(form: &Form) -> bool {
    form.place != Where::WholeBlock
        && form.operands().any(|operand| matches!(operand, Operand::Write(..) | Operand::WritePair(_)))
        && form.operands().all(|operand| !matches!(operand, Operand::Address(..)))
}

fn run(form: &Form, expected: Engine<'_>, found: Engine<'_>) -> Result<Row, Error> {
    let mut row = Row::default();
    // Numbers that stand in the instruction make a kernel each.
    let numbers =
        form.operands().find_map(|operand| if let Operand::Number(most) = operand { Some(*most) } else { None });
    let numbers: Vec<u64> = match numbers {
        Some(most) => {
            [0, 1, 0x0f, 0x33, 0x55, 0x96, 0xaa, 0xca, 0xe8, 0xfe, 0xff].into_iter().filter(|n| *n <= most).collect()
        }
        None => vec![0],
    };
    for number in numbers {
        let kernel = Kernel::new(form, number);
        if matches!(found, Engine::Device(..)) && !in_profile(&kernel.work.text) {
            continue;
        }
        let results = [expected.run(&kernel.work), found.run(&kernel.work)];
        match &results {
            [Outcome::Done { output: a, .. }, Outcome::Done { output: b, .. }] => kernel.count(a, b, &mut row),
            [Outcome::Error(reason), _] => {
                return Err(Error::Form { form: kernel.name, reason: reason.clone() });
            }
            [a, b] => {
                row.cases += 1;
                if a.agrees(b) {
                    row.equal += 1;
                } else {
                    row.different += 1;
                    let text = format!("`{}`: {}, expected {}", kernel.name, b.describe(a), a.describe(b));
                    row.first.get_or_insert(text);
                }
            }
        }
    }
    Ok(row)
}

impl Kernel {
    fn new(form: &Form, number: u64) -> Self {
        let mut kernel = Writer::default();
        let mut lines = Vec::new();
        for ins in &form.instructions {
            let operands: Vec<String> = ins.operands.iter().map(|operand| kernel.operand(operand, number)).collect();
            lines.push(format!("{} {};", ins.opcode, operands.join(", ")));
        }
        let (values, lanes) = operands(&kernel.reads, &kernel.non_zero);
        let text = kernel.text(&lines, lanes);
        let work = Work {
            text,
            grid: [(lanes / BLOCK) as u32, 1, 1],
            block: [BLOCK as u32, 1, 1],
            shared_len: 0,
            input: values,
            output_len: (lanes * kernel.writes.len().max(1) * SLOT) as u64,
            arguments: vec![Argument::Input(0), Argument::Output(0)],
            gas: GAS << 4,
        };
        let writes = kernel.writes.len().max(1);
        Self { name: form.name(), work, reads: kernel.reads, writes }
    }

    /// Compares what the lanes of two executors wrote.
    fn count(&self, expected: &[u8], found: &[u8], row: &mut Row) {
        let len = self.writes * SLOT;
        for (lane, (a, b)) in expected.chunks(len).zip(found.chunks(len)).enumerate() {
            row.cases += 1;
            if a == b {
                row.equal += 1;
                continue;
            }
            row.different += 1;
            if row.first.is_none() {
                let value = |bytes: &[u8]| {
                    let hex: Vec<String> = bytes.iter().rev().map(|byte| format!("{byte:02x}")).collect();
                    hex.concat()
                };
                let inputs: Vec<String> = (0..self.reads.len())
                    .map(|i| value(&self.work.input[(lane * self.reads.len() + i) * SLOT..][..SLOT]))
                    .collect();
                row.first =
                    Some(format!("`{}` of {}: {}, expected {}", self.name, inputs.join(" "), value(b), value(a)));
            }
        }
    }
}

/// Values of all operands, lane by lane, and how many lanes there are: a multiple of a block.
fn operands(reads: &[Type], non_zero: &[bool]) -> (Vec<u8>, usize) {
    let mut rng = Rng::with_seed(0x7e55_e2a0);
    let edges: Vec<Vec<u64>> = reads.iter().map(|ty| ty.edges()).collect();
    let combinations = edges.iter().fold(1usize, |product, edges| product.saturating_mul(edges.len()));
    let sampled = combinations > 2 * SAMPLED;
    let lanes = (if sampled { SAMPLED } else { combinations } + RANDOM).next_multiple_of(BLOCK);
    let mut bytes = Vec::with_capacity(lanes * reads.len().max(1) * SLOT);
    for lane in 0..lanes {
        let mut rest = lane;
        for ((ty, edges), non_zero) in reads.iter().zip(&edges).zip(non_zero) {
            let mask = u64::MAX >> (64 - ty.bits);
            let value = if sampled && lane < SAMPLED {
                edges[rng.usize(..edges.len())]
            } else if !sampled && lane < combinations {
                let value = edges[rest % edges.len()];
                rest /= edges.len();
                value
            } else if rng.u8(..4) == 0 {
                edges[rng.usize(..edges.len())]
            } else {
                rng.u64(..) & mask
            };
            bytes.extend(if *non_zero && value == 0 { mask } else { value }.to_le_bytes());
        }
    }
    if reads.is_empty() {
        bytes.resize(SLOT, 0);
    }
    (bytes, lanes)
}

/// Gives every operand a register of its own.
#[derive(Default)]
struct Writer {
    reads: Vec<Type>,
    non_zero: Vec<bool>,
    writes: Vec<Type>,
}

impl Writer {
    fn read(&mut self, ty: Type, non_zero: bool) -> String {
        self.reads.push(ty);
        self.non_zero.push(non_zero);
        format!("%a{}", self.reads.len() - 1)
    }

    fn write(&mut self, ty: Type) -> String {
        self.writes.push(ty);
        format!("%b{}", self.writes.len() - 1)
    }

    fn operand(&mut self, operand: &Operand, number: u64) -> String {
        let vector = |parts: Vec<String>| format!("{{{}}}", parts.join(", "));
        match operand {
            Operand::Read(ty, None) => self.read(*ty, false),
            Operand::Read(ty, Some(count)) => vector((0..*count).map(|_| self.read(*ty, false)).collect()),
            Operand::ReadNonZero(ty) => self.read(*ty, true),
            Operand::ReadNegated => {
                Type::parse("pred").map_or_else(String::new, |ty| format!("!{}", self.read(ty, false)))
            }
            Operand::Write(ty, None) => self.write(*ty),
            Operand::Write(ty, Some(count)) => vector((0..*count).map(|_| self.write(*ty)).collect()),
            Operand::WritePair(ty) => {
                let first = self.write(*ty);
                Type::parse("pred").map_or_else(String::new, |ty| format!("{first}|{}", self.write(ty)))
            }
            Operand::Number(_) => number.to_string(),
            Operand::Text(text) => text.clone(),
            Operand::Members => "0xffffffff".into(),
            // All lanes are here, so any lane may be read.
            Operand::Source => {
                let ty = Type::parse("u32");
                let mut word = || ty.map_or_else(String::new, |ty| self.read(ty, false));
                let lane = word();
                format!("{lane}, {}", word())
            }
            Operand::Address(..) | Operand::Barrier | Operand::Threads => String::new(),
        }
    }

    /// The kernel: each lane takes its operands, applies the instruction, and gives its results.
    fn text(&self, lines: &[String], lanes: usize) -> String {
        let mut text = String::from(
            ".version 8.5\n.target sm_80\n.address_size 64\n\
             .visible .entry test(.param .u64 in, .param .u64 out)\n{\n.reg .b32 %y<3>;\n.reg .b64 %in, %out, %z;\n",
        );
        let registers = |prefix: char, types: &[Type]| -> String {
            let declared = types.iter().enumerate().map(|(i, ty)| match ty.bits {
                1 => format!(".reg .pred %{prefix}{i};\n"),
                // There are no registers of 8 bits.
                bits => format!(".reg .b{} %{prefix}{i};\n", bits.max(16)),
            });
            declared.collect()
        };
        text.push_str(&registers('a', &self.reads));
        text.push_str(&registers('b', &self.writes));
        text.push_str(
            "mov.u32 %y0, %ctaid.x;\nmov.u32 %y1, %tid.x;\nmov.u32 %y2, %ntid.x;\nmad.lo.u32 %y0, %y0, %y2, %y1;\n",
        );
        text.push_str("ld.param.u64 %in, [in];\nld.param.u64 %out, [out];\n");
        text.push_str(&format!("mul.wide.u32 %z, %y0, {};\nadd.u64 %in, %in, %z;\n", self.reads.len() * SLOT));
        text.push_str(&format!(
            "mul.wide.u32 %z, %y0, {};\nadd.u64 %out, %out, %z;\n",
            self.writes.len().max(1) * SLOT
        ));
        for (i, ty) in self.reads.iter().enumerate() {
            let at = i * SLOT;
            match ty.bits {
                1 => text.push_str(&format!("ld.global.u32 %y1, [%in+{at}];\nsetp.ne.u32 %a{i}, %y1, 0;\n")),
                bits => text.push_str(&format!("ld.global.b{bits} %a{i}, [%in+{at}];\n")),
            }
        }
        text.push_str(&format!("// the instruction, in {lanes} lanes\n"));
        lines.iter().for_each(|line| text.push_str(&format!("{line}\n")));
        for (i, ty) in self.writes.iter().enumerate() {
            let at = i * SLOT;
            match ty.bits {
                1 => text.push_str(&format!("selp.u32 %y1, 1, 0, %b{i};\nst.global.u32 [%out+{at}], %y1;\n")),
                bits => text.push_str(&format!("st.global.b{} [%out+{at}], %b{i};\n", bits.max(16))),
            }
        }
        text.push_str("ret;\n}\n");
        text
    }
}

"""Small models that learn this repository's text, stored in the published form, and the texts that they have not seen."""

import json
import pathlib
import subprocess
import sys
import zlib

import tokenizers
import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Pages that hold what is measured here; learning them would change with every measurement.
MEASURED = {"docs/models.md", "docs/benchmarks.md"}
# One piece of text in so many is held out.
HELD_OUT = 16
# Pieces are this long, in characters.
SHORTEST, LONGEST = 60, 1200
# Tokens of a step of training: texts, and tokens of each.
COUNT, LENGTH = 16, 128
# What the decoder's first and last token are.
FIRST, END = 0, 1


def pieces():
    """The project's documentation, paragraph by paragraph, and its sources, cut at blank lines. No piece twice."""
    listed = subprocess.run(["git", "ls-files", "*.md", "*.rs", "*.cuh"], cwd=ROOT, capture_output=True, text=True, check=True)
    found = set()
    for name in listed.stdout.split():
        # What a generator wrote says the same in other words.
        if name in MEASURED or name.startswith("idls/") or "/generated/" in name:
            continue
        text = (ROOT / name).read_text()
        page = name.endswith(".md")
        for part in text.split("\n" if page else "\n\n"):
            part = part.strip()
            if SHORTEST <= len(part) <= LONGEST and not (page and part.startswith("|")):
                found.add(part)
    return found


def divided():
    """Pieces to learn from, and those that are held out. Which is which, and in which order, depends on the piece alone."""
    known, held_out = [], []
    for piece in sorted(pieces(), key=lambda piece: zlib.crc32(piece.encode())):
        (known if zlib.crc32(piece.encode()) % HELD_OUT else held_out).append(piece)
    return known, held_out


def tokenizer(folder, texts, size, around, specials):
    """Byte-level pairs learned from the texts, saved as `tokenizer.json`."""
    model = tokenizers.Tokenizer(tokenizers.models.BPE())
    model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    model.train_from_iterator(texts, trainer)
    ids = [(token, model.token_to_id(token)) for token in specials]
    model.post_processor = tokenizers.processors.TemplateProcessing(single=around, special_tokens=ids)
    model.save(str(folder / "tokenizer.json"))
    return model


def train(model, batches, steps, loss_of):
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    for step in range(steps):
        loss = loss_of(model, batches())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 100 == 0 or step == steps - 1:
            print(f"  step {step} of {steps}: loss {loss.item():.3f}", file=sys.stderr, flush=True)
    model.eval()


def windows(stream):
    stream = torch.tensor(stream)
    generator = torch.Generator().manual_seed(1)

    def batch():
        starts = torch.randint(0, len(stream) - LENGTH - 1, (COUNT,), generator=generator)
        return torch.stack([stream[start : start + LENGTH] for start in starts.tolist()])

    return batch


def store(model, folder, steps, tokens):
    model.save_pretrained(folder)
    (folder / "training.json").write_text(json.dumps({"steps": steps, "tokens": tokens}))


def make_decoder(folder, texts, steps):
    """A Llama of 1.8 million weights."""
    folder.mkdir(parents=True, exist_ok=True)
    words = tokenizer(folder, texts, 1024, "<s> $A", ["<s>", "</s>"])
    torch.manual_seed(1)
    config = transformers.LlamaConfig(
        vocab_size=words.get_vocab_size(), hidden_size=192, num_hidden_layers=4, num_attention_heads=6,
        num_key_value_heads=2, intermediate_size=512, max_position_embeddings=512, tie_word_embeddings=True,
        bos_token_id=FIRST, eos_token_id=END, pad_token_id=None,
    )
    model = transformers.LlamaForCausalLM(config)
    stream = [token for text in texts for token in [*words.encode(text).ids, END]]
    train(model, windows(stream), steps, lambda model, x: model(input_ids=x, labels=x).loss)
    store(model, folder, steps, len(stream))


def make_encoder(folder, texts, steps):
    """A BERT of 2.1 million weights: it learns hidden words, then to tell texts from each other."""
    folder.mkdir(parents=True, exist_ok=True)
    words = tokenizer(folder, texts, 1024, "[CLS] $A [SEP]", ["[CLS]", "[SEP]", "[MASK]"])
    torch.manual_seed(2)
    config = transformers.BertConfig(
        vocab_size=words.get_vocab_size(), hidden_size=192, num_hidden_layers=4, num_attention_heads=6,
        intermediate_size=768, max_position_embeddings=512, pad_token_id=0,
    )
    model = transformers.BertForMaskedLM(config)
    stream = [token for text in texts for token in words.encode(text).ids]
    generator = torch.Generator().manual_seed(3)

    def loss(model, x):
        hidden = torch.rand(x.shape, generator=generator) < 0.15
        labels = torch.where(hidden, x, torch.tensor(-100))
        return model(input_ids=torch.where(hidden, torch.tensor(2), x), labels=labels).loss

    train(model, windows(stream), steps, loss)
    # As sentence encoders are made: a text is to be told from others under other noise. Without, all vectors are nearly the same.
    order = torch.Generator().manual_seed(5)

    def chosen():
        return [texts[i][:300] for i in torch.randint(0, len(texts), (24,), generator=order).tolist()]

    def contrast(model, chosen):
        tokens, mask = padded(words, chosen)
        a, b = (pooled(model, tokens, mask) for _ in range(2))
        return torch.nn.functional.cross_entropy(a @ b.T / 0.05, torch.arange(len(chosen)))

    train(model.bert, chosen, max(1, steps // 2), contrast)
    store(model.bert, folder, steps, len(stream))


def make_shape(folder, texts):
    """As wide and deep as all-MiniLM-L6-v2; what the numbers are does not change how long it takes."""
    folder.mkdir(parents=True, exist_ok=True)
    words = tokenizer(folder, texts, 2048, "[CLS] $A [SEP]", ["[CLS]", "[SEP]"])
    torch.manual_seed(4)
    config = transformers.BertConfig(
        vocab_size=words.get_vocab_size(), hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
        intermediate_size=1536, max_position_embeddings=512, pad_token_id=0,
    )
    transformers.BertModel(config).save_pretrained(folder)


def padded(words, texts):
    """Tokens of texts, filled up behind, and which of them are texts'."""
    rows = [words.encode(text).ids for text in texts]
    most = max(map(len, rows))
    tokens = torch.tensor([row + [0] * (most - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (most - len(row)) for row in rows])
    return tokens, mask


def pooled(model, tokens, mask):
    """The mean of a text's rows, of length 1."""
    rows = model(input_ids=tokens, attention_mask=mask).last_hidden_state * mask[..., None]
    return torch.nn.functional.normalize(rows.sum(1) / mask.sum(1, keepdim=True), dim=1)


def made(home, steps):
    """The folders of the models, which are trained where they are missing, and steps and tokens of each training."""
    known, _ = divided()
    for name, make, count in [("decoder", make_decoder, steps), ("encoder", make_encoder, max(1, steps // 8))]:
        if not (home / name / "training.json").exists():
            print(f"training the {name} for {count} steps", file=sys.stderr, flush=True)
            make(home / name, known, count)
    if not (home / "minilm-shape/model.safetensors").exists():
        make_shape(home / "minilm-shape", known)
    return {name: json.loads((home / name / "training.json").read_text()) for name in ("encoder", "decoder")}

"""What the kernels and transformers make of the same weights and texts, and how many seconds of the processor they take."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import warnings

import numpy
import tokenizers
import torch
import transformers

import small

# How often what is timed runs; the least time counts.
RUNS = 2


class Kernels:
    """Runs the example `nn`, which executes units as a worker without a GPU does."""

    def __init__(self, binary, work):
        self.binary, self.work = binary, work

    def run(self, what, folder, texts, *more):
        """The file that it wrote, and what it said of seconds and gas."""
        source, out = self.work / "texts.jsonl", self.work / f"{what}.out"
        source.write_text("".join(json.dumps(text) + "\n" for text in texts))
        command = [self.binary, what, folder, source, out, *more]
        done = subprocess.run(
            list(map(str, command)), stdout=subprocess.PIPE, text=True, timeout=3600,
            env=os.environ | {"RAYON_NUM_THREADS": "1"},
        )
        if done.returncode:
            sys.exit(f"compare-models: {' '.join(map(str, command))} failed")
        return out, json.loads(done.stdout)

    def vectors(self, what, folder, texts, *more):
        return numpy.load(self.run(what, folder, texts, "--runs", 1, *more)[0])

    def lines(self, what, folder, texts, *more):
        out, _ = self.run(what, folder, texts, "--runs", 1, *more)
        return [json.loads(line) for line in out.read_text().splitlines()]

    def seconds(self, what, folder, texts, *more):
        return self.run(what, folder, texts, "--runs", RUNS, *more)[1]["seconds"]


def timed(run):
    """The least seconds on the processor."""
    best = None
    for _ in range(1 + RUNS):
        start = time.process_time()
        run()
        seconds = time.process_time() - start
        best = min(best or seconds, seconds)
    return best


def words_of(folder):
    return tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))


def encoder_of(folder):
    return transformers.BertModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()


def decoder_of(folder):
    return transformers.LlamaForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()


def in_bytes(model):
    """The model with its linear layers in 8 bits, as PyTorch has them for processors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)


def batches(words, texts, batch, in_front=False):
    """Tokens of texts, `batch` together, filled up behind or in front, and which of them are texts'."""
    made = []
    for at in range(0, len(texts), batch):
        tokens, mask = small.padded(words, texts[at : at + batch])
        if in_front:
            order = torch.argsort(mask, dim=1, stable=True)
            tokens, mask = tokens.gather(1, order), mask.gather(1, order)
        made.append((tokens, mask))
    return made


@torch.no_grad()
def embed(model, batches):
    return torch.cat([small.pooled(model, tokens, mask) for tokens, mask in batches]).numpy()


@torch.no_grad()
def answers(model, batches, most):
    """Greedy answers to prompts that are filled up in front, as transformers wants it."""
    made = []
    for tokens, mask in batches:
        out = model.generate(tokens, attention_mask=mask, max_new_tokens=most, do_sample=False, pad_token_id=small.END)
        for row in out[:, tokens.shape[1] :].tolist():
            made.append(row[: row.index(small.END)] if small.END in row else row)
    return made


@torch.no_grad()
def last_logits(model, words, prompts):
    return numpy.stack([model(input_ids=torch.tensor([words.encode(p).ids])).logits[0, -1].numpy() for p in prompts])


@torch.no_grad()
def likelihoods(model, words, texts):
    """For each text the logarithms of the probabilities of its tokens from the second on. Logits are floats of 32 bits."""
    found = []
    for text in texts:
        tokens = torch.tensor([words.encode(text).ids])
        logs = torch.log_softmax(model(input_ids=tokens).logits[0, :-1].double(), dim=1)
        found.append(logs.gather(1, tokens[0, 1:, None])[:, 0].numpy())
    return found


@contextlib.contextmanager
def endless(folder):
    """The decoder in a folder where no token ends an answer, so that all answers have the same length."""
    copy = folder.with_name(f"{folder.name}-endless")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    for name in ("config.json", "generation_config.json"):
        config = json.loads((copy / name).read_text())
        config.pop("eos_token_id", None)
        (copy / name).write_text(json.dumps(config))
    yield copy
    shutil.rmtree(copy)


def relative(found, expected):
    """The largest difference in a row, as a part of the row's largest value; the worst row."""
    return float((abs(found - expected).max(1) / abs(expected).max(1)).max())


def cosine(a, b):
    return float(((a * b).sum(1) / numpy.sqrt((a * a).sum(1) * (b * b).sum(1))).min())


def perplexity(texts):
    return float(numpy.exp(-numpy.concatenate([numpy.asarray(text) for text in texts]).mean()))

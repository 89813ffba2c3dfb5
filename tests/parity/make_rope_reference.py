"""Makes tests/parity/data/rope.json and the scaled Llamas beside it with transformers.

    python make_rope_reference.py       (needs what make_reference.py needs, which goes first: it empties data/)

rope.json: cases, each a config of rotary positions as config.json says it ("config") and the tokens
of the request ("n_tokens"), with the frequencies (float32) and the attention factor that transformers computes.
The folders are those of make_reference.py, with 37 tokens in a window of 16.
"""
import itertools
import json
import pathlib

import torch
import transformers
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

import make_reference

SCALED = dict(hidden_size=16, intermediate_size=24, num_attention_heads=2, num_key_value_heads=1)
MODELS = {
    "rope_yarn": dict(max_position_embeddings=64, rope_parameters={
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "rope_theta": 100.0}),
    "rope_llama3": dict(max_position_embeddings=64, rope_parameters={
        "rope_type": "llama3", "factor": 4.0, "original_max_position_embeddings": 16, "low_freq_factor": 0.5,
        "high_freq_factor": 2.0, "rope_theta": 100.0}),
    "rope_linear": dict(max_position_embeddings=64, rope_parameters={
        "rope_type": "linear", "factor": 4.0, "rope_theta": 100.0}),
    "rope_dynamic": dict(max_position_embeddings=16, rope_parameters={
        "rope_type": "dynamic", "factor": 4.0, "rope_theta": 100.0}),
}


def cases():
    """(head_dim, base, max_position_embeddings, rope_parameters, tokens of the request)"""
    for dim, length in ((8, 64), (16, 128), (32, 128), (64, 2048), (128, 4096), (128, 8192)):
        for base, factor in itertools.product((1e4, 5e5), (1.0, 1.5, 4.0, 16.0, 64.0)):
            if (dim in (16, 32)) == (factor in (1.5, 64.0)):  # fewer cases, every value of each
                yield dim, base, int(length * factor), {
                    "rope_type": "yarn", "factor": factor, "original_max_position_embeddings": length}, 0
            if factor in (1.0, 4.0, 64.0) and dim != 16:
                yield dim, base, length, {"rope_type": "dynamic", "factor": factor}, 3 * length + 5
            if factor in (4.0, 16.0) and dim != 32:
                yield dim, base, int(length * factor), {
                    "rope_type": "llama3", "factor": factor, "original_max_position_embeddings": length,
                    "low_freq_factor": 1.0, "high_freq_factor": 4.0}, 0
    for factor in (1.0, 2.0, 64.0):
        yield 32, 1e4, 4096, {"rope_type": "linear", "factor": factor}, 0
    yield 16, 1e4, 64, {"rope_type": "dynamic", "factor": 2.0}, 64
    yield 16, 1e4, 64, {"rope_type": "dynamic", "factor": 2.0}, 65
    yarn = {"rope_type": "yarn", "factor": 16.0, "original_max_position_embeddings": 4096}
    for more in ({"truncate": False}, {"beta_fast": 16, "beta_slow": 2}, {"attention_factor": 1.0},
                 {"mscale": 1.0, "mscale_all_dim": 0.707}, {"mscale": 0.707, "mscale_all_dim": 0.707},
                 {"mscale": 0.5}, {"mscale": 1.2, "mscale_all_dim": 0.8, "attention_factor": 1.5},
                 {"factor": None}, {"beta_fast": None}):
        for dim in (32, 64):
            yield dim, 1e4, 32768, yarn | more, 0
    for length in (64, 256, 8192):
        yield 32, 1e4, 8 * length, {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": length,
                                    "truncate": False}, 0
    yield 64, 5e5, 131072, {"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 8192,
                            "low_freq_factor": 0.5, "high_freq_factor": 8.0}, 0


def frequencies(dim, base, max_positions, rope, n_tokens):
    rope = rope | {"rope_theta": base}
    stated = {"head_dim": dim, "max_position_embeddings": max_positions, "rope_parameters": rope}
    config = transformers.LlamaConfig(hidden_size=dim, num_attention_heads=1, head_dim=dim,
                                      max_position_embeddings=max_positions, rope_parameters=dict(rope))
    inv_freq, factor = ROPE_INIT_FUNCTIONS[rope["rope_type"]](config, "cpu", **({"seq_len": n_tokens} if n_tokens else {}))
    return {"config": stated, "n_tokens": n_tokens, "attention_factor": factor,
            "frequencies": [float(f"{x:.9g}") for x in inv_freq.tolist()]}


def main() -> None:
    data = pathlib.Path(__file__).parent / "data"
    lines = [json.dumps(frequencies(*case)) for case in cases()]
    made_with = json.dumps({"transformers": transformers.__version__, "torch": torch.__version__})
    (data / "rope.json").write_text(f'{{"made_with": {made_with},\n"cases": [\n' + ",\n".join(lines) + "\n]}\n")
    print(len(lines), "cases")
    for seed, (name, settings) in enumerate(MODELS.items()):
        make_reference.make(data / name, name, SCALED | settings, 100 + seed)
        print(name, sum(f.stat().st_size for f in (data / name).iterdir()), "bytes")


if __name__ == "__main__":
    main()

"""Opens a checkpoint of sublab in transformers and compares logits.

    python open_ours.py CKPT [--sublab ./sublab] [--tokens N]

Needs torch, transformers and numpy. Exits 1 when the largest difference is above 1e-4.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy
import torch
import transformers


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--sublab", default=str(pathlib.Path(__file__).parents[2] / "sublab"))
    parser.add_argument("--tokens", type=int, default=64, help="at most as many as the model was trained on")
    arguments = parser.parse_args()
    model = transformers.LlamaForCausalLM.from_pretrained(
        arguments.checkpoint, torch_dtype=torch.float32, attn_implementation="eager").eval()
    torch.manual_seed(1)
    ids = torch.randint(0, model.config.vocab_size,
                        (min(arguments.tokens, model.config.max_position_embeddings),))
    with torch.no_grad():
        theirs = model(ids[None]).logits[0].numpy()
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "ids.json").write_text(json.dumps(ids.tolist()))
        out = pathlib.Path(folder) / "logits.npy"
        subprocess.run([arguments.sublab, "logits", arguments.checkpoint, "--tokens",
                        str(pathlib.Path(folder) / "ids.json"), "--out", str(out)],
                       check=True, stdout=subprocess.DEVNULL)
        ours = numpy.load(out)
    difference = float(numpy.abs(ours - theirs).max())
    print(f"transformers {transformers.__version__}: {ours.shape[0]} x {ours.shape[1]} logits, "
          f"largest {numpy.abs(theirs).max():.3f}, largest difference {difference:.2e}")
    return 0 if difference <= 1e-4 else 1


if __name__ == "__main__":
    sys.exit(main())

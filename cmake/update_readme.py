"""Puts the first table of results/retention/report.md, with what stands under it, between the marks in README.md."""
import pathlib
import re

root = pathlib.Path(__file__).resolve().parents[1]
name = "results/retention/report.md"
report = (root / name).read_text()
table = re.search(r"### Loss and speed\n\n(.*?)\n+(?=### )", report, re.S).group(1)
readme = (root / "README.md").read_text()
begin, end = f"<!-- begin {name} -->\n", "<!-- end -->"
head, rest = readme.split(begin)
(root / "README.md").write_text(head + begin + "\n" + table + "\n\n" + end + rest.split(end, 1)[1])

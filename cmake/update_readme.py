"""Puts the Quality table of results/first_look/report.md between the marks in README.md."""
import pathlib
import re

root = pathlib.Path(__file__).resolve().parents[1]
report = (root / "results/first_look/report.md").read_text()
table = re.search(r"### Quality\n\n((?:\|.*\n)+)", report).group(1)
readme = (root / "README.md").read_text()
begin, end = "<!-- begin results/first_look/report.md -->\n", "<!-- end -->"
head, rest = readme.split(begin)
(root / "README.md").write_text(head + begin + "\n" + table + "\n" + end + rest.split(end, 1)[1])

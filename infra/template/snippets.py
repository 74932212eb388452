"""Takes the CloudFormation templates out of pages, a file each, so that linters can read them.

    python infra/template/snippets.py target/lint/snippets functions/*.md
"""

import pathlib
import re
import sys

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for old in folder.glob("*.yaml"):
    old.unlink()
for page in map(pathlib.Path, sys.argv[2:]):
    blocks = re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    templates = [block for block in blocks if re.search(r"^Resources:", block, re.MULTILINE)]
    for number, template in enumerate(templates, 1):
        (folder / f"{page.stem}-{number}.yaml").write_text(template)

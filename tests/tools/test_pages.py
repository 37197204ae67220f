"""The pages of examples as steps: which outputs agree with them, and how they are written anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.pages import filled, laid_out, steps

PAGE = """# A page

```sh
make train
```

```text
fm: 3.5 s; wrote build/fm
```

```sh
curl one \\
  two
```

```json
{"item_id": "a", "similar": [
  {"item_id": "b", "score": 0.5}]}
```

```sh
make stop
```
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    (tmp_path / "page.md").write_text(PAGE)
    return tmp_path / "page.md"


def test_a_page_has_steps(page: Path) -> None:
    assert [(step.commands, step.kind) for step in steps(page)] == [
        ("make train\n", "text"),
        ("curl one \\\n  two\n", "json"),
        ("make stop\n", ""),
    ]


def test_other_numbers_and_texts_agree_and_another_form_does_not(page: Path) -> None:
    trains, asks, _ = steps(page)
    assert trains.agrees("fm on cpu\nfm: 20 s; wrote build/fm\n")
    assert not trains.agrees("mf: 20 s; wrote build/mf\n")
    assert asks.agrees('{"item_id":"x","similar":[{"item_id":"y","score":1}]}')
    for other in (
        '{"item_id":"x","similar":[]}',
        '{"item_id":"x","similar":[{"item_id":"y","score":"high"}]}',
        '{"item_id":"x","similar":[{"item_id":"y","score":1,"year":1999}]}',
        '{"code":400}',
    ):
        assert not asks.agrees(other)


def test_a_page_is_written_anew_with_what_is_printed_now(page: Path) -> None:
    outputs = ["fm on cpu\nfm: 4.5 s; wrote build/fm\n", '{"item_id":"a","similar":[{"item_id":"c","score":0.25}]}', ""]
    made = filled(PAGE, outputs)
    assert made == PAGE.replace("3.5 s", "4.5 s").replace('"b", "score": 0.5', '"c", "score": 0.25')
    assert filled(made, outputs) == made


def test_an_answer_has_a_line_for_each_entry() -> None:
    answer = {"user_id": "é", "unknown": ["user_id"], "recommendations": [{"k": 1}, {"k": 2}], "empty": []}
    assert json.loads(laid_out(answer)) == answer
    assert laid_out(answer).count("\n") == 3

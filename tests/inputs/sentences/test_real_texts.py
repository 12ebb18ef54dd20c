"""Sentences of texts as people and models write them; "¦" marks where a reader would cut."""

import pytest

from spex import Text
from spex.inputs.segmentation import unit_spans

TEXTS = {
    "mail": """Hi Ann,¦

thanks for the mail, I got it at 5 p.m. on Monday.¦ I'll come by (if Dr. Lee agrees).¦
Could you send me the
plan, too?¦

Best,¦
Bob
--¦
Bob Smith¦
Head of Sales, ACME Inc.""",
    "quoted mail": """> Are you coming?¦
> I am not sure.¦

Yes!¦ See you at 7:30.¦

On 12 May 2024, Ann wrote:""",
    "forum post": """[SOLVED] Wi-Fi drops after update¦

So... I updated to v2.3.1 yesterday.¦ Now it drops every 10 min. or so.¦ Any ideas???¦

EDIT: fixed it, see https://example.org/t/4711?page=2.¦ Thanks @bob!! :-)""",
    "chat": """ann: u there?¦
bob: yep¦
ann: ok.¦ Five min¦
🎉🎉""",
    "wrapped prose": """It was the best of times, it was the worst of times, it was the age of
wisdom, it was the age of foolishness.¦ It was the epoch of belief, as Mr.
Dickens wrote.¦ Then the season of Light came.""",
    "poem": """Two roads diverged in a yellow wood,¦
And sorry I could not travel both¦
And be one traveler, long I stood¦

Then took the other, as just as fair.""",
    "csv": """name,age,city¦
Ann,34,Oslo¦
Dr. Bob,25,Rome""",
    "tabs": """name\tage¦
Ann B. Lee\t34¦
Bob\t25""",
    "table of Markdown": """Consider:¦

| No. | what |
|----|:---|¦
| 1. | One. Two. |¦
| 2. | Three. |¦

So it is three.""",
    "table between lines": """+----+------+
| No | Name |
+----+------+¦
| 1. | Ann. |
+----+------+""",
    "log": """2024-05-01 12:00:01 INFO started¦
2024-05-01 12:00:02 ERROR disk full.¦ retrying¦
2024-05-01 12:00:03 WARN gave up after 3.5 s""",
    "log of a web server": """10.0.0.1 - - [10/May/2024:13:55:36] "GET /a.b HTTP/1.1" 200¦
10.0.0.2 - - [10/May/2024:13:55:37] "GET /c HTTP/1.1" 404""",
    "stack trace": """Traceback (most recent call last):¦
  File "a.py", line 3, in f
    return g(x)¦
ValueError: no.¦ Not x""",
    "json": """Here it is:
{¦
"name": "Ann. B.",¦
"city": "Oslo"
}""",
    "form": """Name: Ann Lee¦
Age: 34¦
Complaint: It broke.¦ I want my money back.""",
    "bullets": """Buy:¦
- milk.¦ And eggs¦
- bread¦
  - rye, e.g. Pumpernickel¦
* tea""",
    "bullets with a dot sign": """• Fast.¦ Really.¦
• Cheap""",
    "numbers": """1. First compute 2.5 * 3.¦
2. Then add 1.¦ It is easy.¦
10. Done.""",
    "numbers in one line": "1. Add two.¦ 2. Take one.¦ 3. Stop.",
    "numbers on their own": """(1) We add.¦ (2) We stop.¦
a) red¦
b) blue""",
    "choices": """Which is a fruit?¦

A) Stone¦
B) Apple¦
C. Car¦
D. Bus""",
    "bold headings": """**1. Add**¦
then two.¦
**2. Take away:**¦
one.¦

**Note.**¦ This is bold.¦ *Really.*¦ Yes.""",
    "headings": """# Plan¦
we go.¦
## 1. Start¦
### 1.2. More of it¦
Now.¦

Title
=====¦
Text.¦

1. Add¦
It is two.""",
    "steps": """**Step 1:** Add.¦

**Step 2: Take away.**¦ Then stop.¦
Step 3¦
Done.""",
    "code answer": """You can do it so:¦

```python
def f(x):
    # First. Then.
    return x

print(f(1))
```¦

It prints 1.¦ Or run `git add . && ls`.¦ `a. B` is code, too.""",
    "code between tildes": """Run this.¦
~~~
a. B
```
c. D
~~~¦
Done.""",
    "code in a list": """1. Write:¦
   ```sh
   ls. Ls
   ```¦
2. Save.""",
    "code that never ends": """Now.¦
```python¦
x = 1""",
    "formulas": r"""We have¦
\[
x = \frac{1}{2}. y = 3.
\]¦
Then $a. B$ holds, and \(c. D\).¦ So \begin{align}
a &= b. \\
c &= d.
\end{align}¦ Done.¦
$$
E = mc^2.
$$¦
where E is energy.""",
    "formula in a sentence": r"The sum \[ a. B \] is 3.¦ It costs $3.50.¦ See $5 now.",
    "abbreviations": "Dr. Smith vs. Mr. Jones, i.e. No. 5, costs $3.50.¦ See Fig. 2, eq. 5 and "
    "vol. 3.¦ J. S. Bach et al. wrote it.¦ It is approx. 5 km, cf. Lee (2020), pp. 5-7.¦ The end.",
    "decimals": "Pi is 3.14.¦ Python 3.11.2 is out.¦ It is at v2.0.¦ We paid 1,234.56 euros.",
    "addresses": "See https://a.b/c?d=1.¦ Then go to www.x.org.¦ Or mail a.b@c.de.¦ Ok?",
    "ellipses": "Wait...¦ What?¦ Hmm…¦ Well, no.¦ Ok…¦ Really?!¦ Yes!!!",
    "quotes": "He said “Stop. Now.” and left.¦ “Why?” she asked.¦ 'I don't know.' was all.",
    "brackets": "It works (see below).¦ (He did it. Really.)",
    "html": 'First <b>bold.</b>¦ Then.¦ <p>One.</p>¦<p>Two <a href="x. Y">z</a>.</p>',
    "list in HTML": """Buy:
<ul>¦
<li>milk.</li>¦
<li><a href="x">eggs</a></li>
</ul>""",
    "windows": "A first.¦\r\nB second,\r\nand more.¦\r\n\r\n\tC third.",
    "Chinese": "首先，计算2加3。¦结果是5。¦所以答案是5！¦对吗？¦是的……好。",
    "Japanese": "今日は雨です。¦傘を持って行こう！¦はい？",
    "Arabic": "أولاً نحسب.¦ ثم نضيف؟¦ النتيجة خمسة.¦ نعم!",
    "Hindi": "पहला।¦ दूसरा।¦ तीसरा।",
    "German": "Es ist z. B. so.¦ Am 3. Mai kam Dr. Maier.¦ Er blieb.",
    "French": "Il a dit « Oui. »¦ Puis il est parti.¦ C'est vrai ?",
    "Spanish": "¿Qué tal?¦ ¡Muy bien!¦ Nos vemos.",
    "reasoning": """Okay, so I need to find 2+3.¦ Let me think...¦ Wait, no.¦

First, 2 apples.¦ Then 3.¦
So 2 + 3 = 5.¦

**Final Answer**¦
\\boxed{5}""",
}  # fmt: skip


def expected(marked):
    return [part.strip() for part in marked.split("¦")]


@pytest.mark.parametrize("name", TEXTS)
def test_units_are_what_a_reader_would_call_a_sentence(name):
    unit = {"German": "sentence:de"}.get(name, "sentence")
    text = TEXTS[name].replace("¦", "")
    found = [text[start:stop] for start, stop in unit_spans(text, unit)]
    assert found == expected(TEXTS[name])
    masker = Text(text, unit=unit)
    assert masker.mask_text([True] * masker.n_features) == text
    # Every sentence lies in one paragraph, so that a text can be split into these first.
    paragraphs = unit_spans(text, "paragraph")
    for start, stop in unit_spans(text, unit):
        assert any(first <= start and stop <= last for first, last in paragraphs)


def test_marks_alone_and_code_with_headings_and_blank_lines():
    text = "---\n# A\nb.\n\n***\n\n```\n# c\n\nd\n```\n\n# E\nf."
    found = {
        unit: [text[start:stop] for start, stop in unit_spans(text, unit)]
        for unit in ("sentence", "paragraph", "section")
    }
    code = "```\n# c\n\nd\n```"
    assert found["sentence"] == ["---\n# A", "b.", "***", code, "# E", "f."]
    assert found["paragraph"] == ["---\n# A\nb.", "***", code, "# E\nf."]
    assert [section[:3] for section in found["section"]] == ["---", "# A", "# E"]


def test_brackets_in_a_formula_pair_with_none_outside():
    formula = "By \\begin{align}\na &= b.\n\\end{align}"
    rest = ["we are done.", "Then \\(x. Y\\) is 1.", "See `(a` and b).", "End."]
    text = " ".join([formula, *rest])
    assert [text[start:stop] for start, stop in unit_spans(text, "sentence")] == [formula, *rest]


def test_wrapped_text_of_a_mail_that_is_quoted():
    quoted = [
        "> I was wondering whether we could move the meeting to next week, since I\n"
        "> will be out of the office until Friday.",
        "Would Monday at 10 a.m. work for\n> you?",
        "Please, tell me.",
        "If not, please propose another time that suits you better\n> than this one.\n>",
        "> > The earlier message said that the room was booked for the whole of the\n"
        "> > week, and nobody else could use it.",
    ]
    text = f"Bob wrote:\n{quoted[0]} {' '.join(quoted[1:4])}\n{quoted[4]}\nFine."
    found = [text[start:stop] for start, stop in unit_spans(text, "sentence")]
    assert found == ["Bob wrote:", *quoted, "Fine."]

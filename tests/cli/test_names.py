"""Slips in names: told at once, with what may have been meant."""

import subprocess
import sys

import pytest

from spex import plots
from spex.cli import main
from spex.cli.early import names
from spex.fitting.methods import METHODS
from spex.fourier.mask_distribution import WEIGHTINGS

SLIPS = [
    (["--unit", "wrod"], "unit='wrod' is unknown (did you mean 'word'?)"),
    (["--unit", "sentense:de"], "(did you mean 'sentence:de'?)"),
    (["--mask", "delte"], "operator='delte' is unknown (did you mean 'delete'?)"),
    (["--method", "atuo"], "method='atuo' is unknown (did you mean 'auto'?)"),
    (["--index", "FBI"], "index='FBI' is not known (did you mean 'FBII'?)"),
    (["--score", "lgoprob"], "--score 'lgoprob' is unknown (did you mean 'logprob'?)"),
    (["--score", "logods:yes,no"], "(did you mean 'logodds:yes,no'?)"),
    (["--model", "smolm2"], "model 'smolm2' is unknown (did you mean 'smollm2'?)"),
    (["--model", "opnai:gpt"], "(did you mean 'openai:gpt'?)"),
    (["--weighting", "shaply"], "weighting='shaply' is unknown (did you mean 'shapley'?)"),
]


@pytest.mark.parametrize(("arguments", "told"), SLIPS)
def test_a_slip_is_told_with_what_was_meant(arguments, told, capsys):
    assert main(["explain", "--text", "no-such-file.txt", *arguments]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--unit", "grd:8x8"], "unit='grd:8x8' is unknown (did you mean 'grid:8x8'?)"),
        (["--mask", "blurr"], "operator='blurr' is unknown (did you mean 'blur'?)"),
    ],
)
def test_a_slip_about_a_picture(arguments, told, capsys):
    assert main(["explain", "--image", "no-such-file.png", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_names_are_those_that_there_are():
    assert names.METHODS == tuple(METHODS) and set(names.WEIGHTINGS) == set(WEIGHTINGS)
    assert names.PLOTS == tuple(sorted(plots.__all__))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--plot", "waterfal"], "--plot 'waterfal' is unknown (did you mean 'waterfall'?)"),
        (["--png", "no-such-folder/a.png"], "--png no-such-folder/a.png: the folder"),
    ],
)
def test_a_report_is_refused_before_anything_heavy_loads(arguments, told):
    code = (
        "import sys\n"
        "from spex.cli import main\n"
        f"assert main(['report', 'no-such-file.json', *{arguments!r}]) == 2\n"
        "heavy = 'numba|scipy|pandas|matplotlib|numpy'\n"
        "print([m for m in heavy.split('|') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]" and told in done.stderr


def test_nothing_heavy_loads_before_a_slip_is_told():
    """Checked by what is loaded: the time depends on what else the machine does."""
    code = (
        "import sys\n"
        "from spex.cli import main\n"
        f"for arguments in {[arguments for arguments, _ in SLIPS]!r}:\n"
        "    assert main(['explain', '--text', 'x.txt', *arguments]) == 2, arguments\n"
        "heavy = 'numba|scipy|sklearn|pandas|torch|transformers|matplotlib|lightgbm|openai|PIL'\n"
        "print([m for m in heavy.split('|') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""What a browser shows of a page."""


def texts(page, selector):
    return page.eval_on_selector_all(selector, "all => all.map(one => one.textContent)")


def marked(page, selector="[data-f]"):
    return texts(page, f".explanation {selector}.on")


def drawn(page):
    return page.eval_on_selector_all(
        ".overlay .tag:not(.weak)", "all => all.map(one => one.dataset.m)"
    )

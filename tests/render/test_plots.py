"""Charts: what is left out, what is drawn, and what plotly is given."""

from __future__ import annotations

import numpy as np

from nnlens.render.plots import limit, plot, plot_image, plots_figure, points_of, series


def chart(**scales):
    measured = series("b", "measured", [1, 10, 100], [0.1, np.inf, 10], low=[0, 0, 1], high=[1, np.nan, 20])
    return plot(
        "title", "x", "y", [series("a", "theory", [1, 100], [1, 2]), measured, limit("c", [1, 100], 3)], **scales
    )


def test_numbers_that_are_not_finite_are_left_out():
    made = chart()
    assert made["series"][1]["y"] == [0.1, None, 10.0]
    assert made["series"][1]["high"] == [1.0, None, 20.0]
    assert made["series"][2]["y"] == [3.0, 3.0]
    assert points_of(made["series"][1], log_x=True, log_y=True) == [(0.0, -1.0), (2.0, 1.0)]
    zero = series("d", "dots", [0, 1], [1, 1])
    assert points_of(zero, log_x=True, log_y=False) == [(0.0, 1.0)]


def test_the_picture_has_lines_and_dots():
    pixels = np.asarray(plot_image(chart(log_x=True)))
    colors = {tuple(color) for color in pixels.reshape(-1, 3)}
    assert {(0xC2, 0x41, 0x0C), (0x77, 0x77, 0x77), (0x00, 0x72, 0xB2)} <= colors
    empty = np.asarray(plot_image(plot("", "", "", [])))
    assert (0xC2, 0x41, 0x0C) not in {tuple(color) for color in empty.reshape(-1, 3)}


def test_plotly_has_all_charts():
    figure = plots_figure([chart(log_x=True), chart(log_y=True)])
    assert len(figure.data) == 6
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.yaxis2.type == "log"
    assert figure.data[1].mode == "markers+lines"

/* SPDX-License-Identifier: BSD-2-Clause */
/* A plot as SVG: lines over two axes, each linear or logarithmic. */
#ifndef INLAY_BENCH_PLOT_H
#define INLAY_BENCH_PLOT_H

#include <stdbool.h>
#include <stddef.h>

#define PLOT_TICKS 8

struct plot_axis {
	double least, most;
	bool log;
	double ticks[PLOT_TICKS]; /* up to the first 0 behind the first */
	const char *title;
};

struct plot_line {
	const char *name, *colour;
	bool dashed, dots;
	double *x, *y;
	size_t n;
};

#define PLOT_TAIL 200 /* points */

/* A distribution as a line: the part of all samples, from 1 to 0.0003, that is above a value. The
 * line has that many points; |samples| are sorted. */
void plot_tail(struct plot_line *line, const float *samples, size_t n);

/* 0; a negative errno. */
int plot_write(const char *file, const char *title, const struct plot_axis *x,
	       const struct plot_axis *y, const struct plot_line *lines, size_t n_lines);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "plot.h"

#define WIDTH  640
#define HEIGHT 280
#define LEFT   64
#define TOP    30
#define RIGHT  150
#define BOTTOM 46

/* 0 to 1 along the axis. */
static double along(const struct plot_axis *a, double value)
{
	double at = a->log ? log(value / a->least) / log(a->most / a->least)
			   : (value - a->least) / (a->most - a->least);

	return at < 0 || isnan(at) ? 0 : at > 1 ? 1 : at;
}

static double x_of(const struct plot_axis *a, double value)
{
	return LEFT + WIDTH * along(a, value);
}

static double y_of(const struct plot_axis *a, double value)
{
	return TOP + HEIGHT * (1 - along(a, value));
}

static void draw_axes(FILE *f, const struct plot_axis *x, const struct plot_axis *y)
{
	for (int i = 0; i < PLOT_TICKS && (!i || y->ticks[i] != 0); i++) {
		double at = y_of(y, y->ticks[i]);

		fprintf(f,
			"<line x1='%d' x2='%d' y1='%.1f' y2='%.1f' stroke='#ddd'/>"
			"<text x='%d' y='%.1f' text-anchor='end'>%g</text>\n",
			LEFT, LEFT + WIDTH, at, at, LEFT - 6, at + 4, y->ticks[i]);
	}
	for (int i = 0; i < PLOT_TICKS && (!i || x->ticks[i] != 0); i++) {
		double at = x_of(x, x->ticks[i]);

		fprintf(f,
			"<line x1='%.1f' x2='%.1f' y1='%d' y2='%d' stroke='#eee'/>"
			"<text x='%.1f' y='%d' text-anchor='middle'>%g</text>\n",
			at, at, TOP, TOP + HEIGHT, at, TOP + HEIGHT + 18, x->ticks[i]);
	}
	fprintf(f, "<text x='%d' y='%d' text-anchor='middle'>%s</text>\n", LEFT + WIDTH / 2,
		TOP + HEIGHT + 38, x->title);
	fprintf(f,
		"<text transform='translate(16 %d) rotate(-90)' text-anchor='middle'>%s</text>\n",
		TOP + HEIGHT / 2, y->title);
}

static void draw_line(FILE *f, const struct plot_axis *x, const struct plot_axis *y,
		      const struct plot_line *line, size_t number)
{
	int at = TOP + 12 + 18 * (int)number;

	fprintf(f, "<polyline fill='none' stroke='%s' stroke-width='1.6'%s points='", line->colour,
		line->dashed ? " stroke-dasharray='5 3'" : "");
	for (size_t i = 0; i < line->n; i++)
		fprintf(f, "%.1f,%.1f ", x_of(x, line->x[i]), y_of(y, line->y[i]));
	fprintf(f, "'/>\n");
	for (size_t i = 0; line->dots && i < line->n; i++)
		fprintf(f, "<circle cx='%.1f' cy='%.1f' r='3' fill='%s'/>\n", x_of(x, line->x[i]),
			y_of(y, line->y[i]), line->colour);
	fprintf(f,
		"<line x1='%d' x2='%d' y1='%d' y2='%d' stroke='%s' stroke-width='1.6'%s/>"
		"<text x='%d' y='%d'>%s</text>\n",
		LEFT + WIDTH + 10, LEFT + WIDTH + 28, at - 4, at - 4, line->colour,
		line->dashed ? " stroke-dasharray='5 3'" : "", LEFT + WIDTH + 33, at, line->name);
}

void plot_tail(struct plot_line *line, const float *samples, size_t n)
{
	line->n = n ? PLOT_TAIL : 0;
	for (size_t i = 0; i < line->n; i++) {
		double above = pow(10, -3.5 * (double)i / (PLOT_TAIL - 1));

		line->x[i] = (double)samples[(size_t)((1 - above) * (double)(n - 1))];
		line->y[i] = above;
	}
}

int plot_write(const char *file, const char *title, const struct plot_axis *x,
	       const struct plot_axis *y, const struct plot_line *lines, size_t n_lines)
{
	FILE *f = fopen(file, "w");

	if (!f)
		return -errno;
	fprintf(f,
		"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' "
		"font-family='sans-serif' font-size='12' fill='#333'>\n"
		"<rect width='100%%' height='100%%' fill='#fff'/>\n"
		"<text x='%d' y='18'>%s</text>\n",
		LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM, LEFT, title);
	draw_axes(f, x, y);
	for (size_t i = 0; i < n_lines; i++)
		draw_line(f, x, y, &lines[i], i);
	fprintf(f, "</svg>\n");
	return fclose(f) ? -errno : 0;
}

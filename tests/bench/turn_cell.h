/* SPDX-License-Identifier: BSD-2-Clause */
/* What the TURN bench measures of one contender in one direction, with one size. */
#ifndef INLAY_BENCH_TURN_CELL_H
#define INLAY_BENCH_TURN_CELL_H

#include "bench.h"
#include "turn_flows.h"
#include "turn_server.h"

/* A number for each run. */
struct turn_cell {
	struct bench_series pps;     /* delivered, saturated */
	struct bench_series cpu_ns;  /* a delivered packet, generator included */
	struct bench_series full_ns; /* the same, saturated */
	struct bench_series p50_us, p99_us;
	float *delays_us; /* of all runs */
	size_t n_delays;
	__u64 wrong; /* arrived elsewhere, or with another length */
	double lost; /* most of any run, as a part of what was sent: while CPU was measured, */
	double lost_paced; /* and while the delay was */
};

struct turn_cell_config {
	const struct turn_net *net;
	const struct turn_flows *flows;
	struct turn_load *load;
	const struct turn_server *server; /* zeroed: none */
	enum turn_direction direction;
	__u32 bytes;
	inlay_ns duration; /* of each of the measurements */
};

/* 0; a negative errno: said why. */
int turn_cell_measure(struct turn_cell *cell, const struct turn_cell_config *config);
void turn_cell_free(struct turn_cell *cell);

#endif

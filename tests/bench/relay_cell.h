/* SPDX-License-Identifier: BSD-2-Clause */
/* One measurement of the relay bench: one contender, so many subscribers, once. */
#ifndef INLAY_BENCH_RELAY_CELL_H
#define INLAY_BENCH_RELAY_CELL_H

#include "bench.h"
#include "relay_match.h"
#include "relay_net.h"
#include "relay_stamps.h"

/* Placements of the relay; and last the same datagrams without one. */
enum relay_contender {
	RELAY_CONVENTIONAL,
	RELAY_USER,
	RELAY_FLOOR,
	RELAY_CONTENDERS,
};
extern const char *const relay_contender_names[RELAY_CONTENDERS];

struct relay_cell_config {
	const struct relay_net *net;
	struct relay_stamps *stamps;
	const char *inlayd;
	const char *extra; /* lines of configuration */
	enum relay_contender contender;
	unsigned int subscribers;
	__u64 objects;
	/* Of the relay's two threads, the publisher and the subscribers. */
	int data_cpu, control_cpu, publisher_cpu, subscribers_cpu;
	bool tell_threads; /* print where they run */
};

/* What came of it; added to, measurement by measurement. CPU in ns a copy. */
struct relay_cell {
	struct relay_matched delays;
	struct bench_series p50_us, relay_cpu, publisher_cpu, subscribers_cpu, softirq_cpu, calls;
	__u64 unseen; /* objects that did not reach their subscriber */
};

/* 0; a negative errno: said why. All it started has ended. */
int relay_cell_measure(struct relay_cell *cell, const struct relay_cell_config *config);
void relay_cell_free(struct relay_cell *cell);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A publisher and its subscribers, each on a UDP port of its own, in the calling thread: load for a
 * relay, on our own engine, since it costs least. Objects carry the time of sending.
 */
#ifndef INLAY_BENCH_RELAY_LOAD_H
#define INLAY_BENCH_RELAY_LOAD_H

#include "inlay_types.h"

struct relay_load;

struct relay_pattern {
	const char *name;
	unsigned int per_second; /* objects */
	size_t object_bytes;
	unsigned int key_every; /* objects of a group; the first one is larger */
	size_t key_bytes;
};

struct relay_load_config {
	struct inlay_addr relay;
	unsigned int subscribers;
	bool gro; /* subscribers take merged messages, which saves the sender's kernel work */
};

/* What the subscribers saw. */
struct relay_seen {
	__u64 packets, bytes; /* of the relay's, ACKs and all */
	__u64 objects, expected;
	double seconds;
	double p50_us, p99_us; /* from publisher to subscriber */
};

/* Connects and subscribes everybody. NULL: said why. */
struct relay_load *relay_load_new(const struct relay_load_config *config);
/* Publishes for |duration|. |on_begin| is called once it runs. */
void relay_load_run(struct relay_load *load, const struct relay_pattern *pattern, inlay_ns duration,
		    struct relay_seen *ret_seen);
/* Takes NULL. */
void relay_load_free(struct relay_load *load);

/* Sorts; |at| in [0, 1]. 0: no samples. */
double relay_quantile(float *samples, size_t n, double at);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which copy is of which original, told from stamps of sealed packets. The publisher sends one
 * object a packet, each flow carries the objects in order, and the size of a packet tells the
 * object among its neighbours (relay_pattern.tag_bytes): so each stamp is matched by order and
 * checked by size, and what fits nowhere, or is not there, is counted. No delay is taken from a
 * guess.
 */
#ifndef INLAY_BENCH_RELAY_MATCH_H
#define INLAY_BENCH_RELAY_MATCH_H

#include "relay_load.h"
#include "relay_stamps_abi.h"

struct relay_match_config {
	const struct relay_pattern *pattern;
	__u64 objects; /* published, from pattern's number 0 on */
	unsigned int subscribers;
};

struct relay_samples {
	float *us; /* to be freed */
	size_t n, room;
};

/* Added to, match by match. */
struct relay_matched {
	struct relay_samples all, first,
		last;	       /* delay of every copy; of an object's first and last */
	__u64 objects, copies; /* matched */
	__u64 missing;	       /* copies or originals that were not stamped */
	__u64 strays;	       /* stamps of nothing that was published: repeated */
	__u64 merged;	       /* copies that left in one message with others */
};

/* 0; -ENOMEM; -EINVAL: more flows than subscribers, or sizes make no sense. */
int relay_match(const struct relay_stamp *stamps, size_t n, const struct relay_match_config *config,
		struct relay_matched *matched);
/* True: if these stamps were one fewer, or a size were another, relay_match() would tell. */
bool relay_match_would_notice(const struct relay_stamp *stamps, size_t n,
			      const struct relay_match_config *config);
void relay_matched_free(struct relay_matched *matched);

#endif

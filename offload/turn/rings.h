/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events out of the two ring buffers, validated, at most INLAY_TURN_EVENTS in one turn; and what
 * found no room in them.
 */
#ifndef INLAY_OFFLOAD_TURN_RINGS_H
#define INLAY_OFFLOAD_TURN_RINGS_H

#include "maps.h"

struct ring_buffer;

struct inlay_turn_reader {
	struct inlay_turn_rings *rings;
	struct ring_buffer *buffer;
	enum inlay_turn_ring ring;
	__u64 lost; /* of turn_lost, as it was told */
	int budget; /* of this turn */
};

struct inlay_turn_rings {
	struct inlay_turn_reader readers[2]; /* by enum inlay_turn_ring */
	const __u64 *lost;
	struct inlay_turn_listener listener;
	bool listening;
};

/* |rings| stays where it is until fini(), which it is to be given to in any case. -ENOMEM; what
 * libbpf returned. */
int inlay_turn_rings_init(struct inlay_turn_rings *rings, const struct inlay_turn_maps *maps);
void inlay_turn_rings_fini(struct inlay_turn_rings *rings);
void inlay_turn_rings_listen(struct inlay_turn_rings *rings,
			     const struct inlay_turn_listener *listener);

/* Hands over what is there. True: there may be more; |*ret_behind|: of the responses, too. */
bool inlay_turn_rings_read(struct inlay_turn_rings *rings, bool *ret_behind);
int inlay_turn_rings_fd(const struct inlay_turn_rings *rings, enum inlay_turn_ring ring);

/* Is it one of ours, whole? For tests, too. */
bool inlay_turn_event_is_sound(const struct inlay_turn_event *event, size_t size,
			       enum inlay_turn_ring ring);

#endif

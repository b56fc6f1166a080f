/* SPDX-License-Identifier: BSD-2-Clause */
/* See rings.h. */
#include "rings.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/in.h>

#include "inlay_atomic.h"

static bool is_addr(const struct inlay_addr *addr)
{
	return addr->family == AF_INET || addr->family == AF_INET6;
}

bool inlay_turn_event_is_sound(const struct inlay_turn_event *event, size_t size,
			       enum inlay_turn_ring ring)
{
	size_t max = INLAY_TURN_SAMPLE_MAX;

	if (size < sizeof(*event) || event->len > size - sizeof(*event) || !is_addr(&event->src) ||
	    !is_addr(&event->dst))
		return false;
	switch (event->kind) {
	case INLAY_TURN_MESSAGE:
		max = INLAY_TURN_MESSAGE_MAX;
		break;
	case INLAY_TURN_CHANNEL_DATA:
		if (ring != INLAY_TURN_REQUESTS)
			return false;
		break;
	case INLAY_TURN_RELAYED:
		if (ring != INLAY_TURN_RESPONSES)
			return false;
		break;
	default:
		return false;
	}
	return event->len <= max &&
	       (event->kind == INLAY_TURN_MESSAGE || event->data_len >= event->len);
}

static void tell(struct inlay_turn_reader *reader, __u64 n)
{
	const struct inlay_turn_listener *listener = &reader->rings->listener;

	if (n && listener->lost)
		listener->lost(listener->user, reader->ring, n);
}

/* Looked at before each record: one behind a gap was written after the gap was counted. */
static void tell_lost(struct inlay_turn_reader *reader)
{
	__u64 lost = inlay_load_u64(&reader->rings->lost[reader->ring]);
	__u64 n = lost - reader->lost;

	reader->lost = lost;
	tell(reader, n);
}

static int on_record(void *ctx, void *data, size_t size)
{
	struct inlay_turn_reader *reader = ctx;
	const struct inlay_turn_listener *listener = &reader->rings->listener;
	const struct inlay_turn_event *event = data;

	tell_lost(reader);
	if (!inlay_turn_event_is_sound(event, size, reader->ring))
		tell(reader, 1);
	else if (listener->event)
		listener->event(listener->user, event, sizeof(*event) + event->len, reader->ring);
	/* Ends this round; the record counts as read. */
	return --reader->budget ? 0 : -ECANCELED;
}

int inlay_turn_rings_init(struct inlay_turn_rings *rings, const struct inlay_turn_maps *maps)
{
	const int fds[] = {
		[INLAY_TURN_REQUESTS] = maps->requests, [INLAY_TURN_RESPONSES] = maps->responses};

	*rings = (struct inlay_turn_rings){.lost = maps->lost};
	for (int i = 0; i < 2; i++) {
		struct inlay_turn_reader *reader = &rings->readers[i];

		reader->rings = rings;
		reader->ring = (enum inlay_turn_ring)i;
		reader->buffer = ring_buffer__new(fds[i], on_record, reader, NULL);
		if (!reader->buffer)
			return errno ? -errno : -ENOMEM;
	}
	return 0;
}

void inlay_turn_rings_fini(struct inlay_turn_rings *rings)
{
	for (int i = 0; i < 2; i++)
		ring_buffer__free(rings->readers[i].buffer);
	*rings = (struct inlay_turn_rings){0};
}

void inlay_turn_rings_listen(struct inlay_turn_rings *rings,
			     const struct inlay_turn_listener *listener)
{
	rings->listener = *listener;
	rings->listening = true;
}

/* True: there may be more. */
static bool read_ring(struct inlay_turn_reader *reader, int budget)
{
	reader->budget = budget;
	(void)ring_buffer__consume(reader->buffer);
	tell_lost(reader);
	return !reader->budget;
}

bool inlay_turn_rings_read(struct inlay_turn_rings *rings, bool *ret_behind)
{
	bool more;

	*ret_behind = false;
	if (!rings->listening)
		return false;
	/* Each has its half, so that a flood of requests holds up no response. */
	more = read_ring(&rings->readers[INLAY_TURN_REQUESTS], INLAY_TURN_EVENTS / 2);
	*ret_behind = read_ring(&rings->readers[INLAY_TURN_RESPONSES], INLAY_TURN_EVENTS / 2);
	return more || *ret_behind;
}

int inlay_turn_rings_fd(const struct inlay_turn_rings *rings, enum inlay_turn_ring ring)
{
	return ring_buffer__epoll_fd(rings->readers[ring].buffer);
}

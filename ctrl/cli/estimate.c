/* SPDX-License-Identifier: BSD-2-Clause */
/* Trains of arrivals, and two windows over them: the shorter one is quick to fall, the longer one
 * slow to rise. */
#include "estimate.h"

#define LEAST_BYTES  4096	      /* behind the first instant: a few packets */
#define BURST_BYTES  8192	      /* no bucket lets that much pass at once: a fast link did */
#define BURST_TIME   INLAY_MS	      /* what such a burst is taken to have lasted */
#define PACKET_BYTES 1200	      /* whose arrival began it */
#define LONG_TRAIN   (100 * INLAY_MS) /* gives a sample each so often */
#define SHORT_WINDOW (700 * INLAY_MS)
#define LONG_WINDOW  (3 * INLAY_S)
#define SILENCE	     (250 * INLAY_MS) /* within a train: it counts before it is over */
#define ALWAYS	     2		      /* of the newest samples count however old they are */

static void add_sample(struct inlay_estimate *e, inlay_ns at, inlay_ns time, __u64 bytes)
{
	e->samples[e->next] = (struct inlay_estimate_sample){at, time, bytes};
	e->next = (e->next + 1) % INLAY_ESTIMATE_SAMPLES;
	e->n += e->n < INLAY_ESTIMATE_SAMPLES;
}

/* A sample out of the train so far, if it tells anything. */
static bool take_sample(struct inlay_estimate *e)
{
	inlay_ns time = e->last - e->begin;

	if (time >= BURST_TIME && e->bytes - e->first >= LEAST_BYTES)
		add_sample(e, e->last, time, e->bytes - e->first);
	else if (time < BURST_TIME && e->bytes >= BURST_BYTES)
		add_sample(e, e->last, BURST_TIME, e->bytes - PACKET_BYTES);
	else
		return false;
	return true;
}

void inlay_estimate_arrived(struct inlay_estimate *e, inlay_ns now, size_t bytes, bool more)
{
	if (!e->busy) {
		e->trains += more;
		e->begin = e->last = now;
		e->first = e->bytes = 0;
		e->long_train = false;
	}
	if (now == e->begin && !e->long_train)
		e->first += bytes;
	e->bytes += bytes;
	e->last = now;
	if (e->busy && !more) {
		take_sample(e);
	} else if (e->busy && now - e->begin >= LONG_TRAIN && take_sample(e)) {
		e->begin = now;
		e->first = e->bytes = 0;
		e->long_train = true;
	}
	e->busy = more;
}

/* Over the samples of a window, and the train under way if it has fallen silent. */
static __u64 rate(const struct inlay_estimate *e, inlay_ns now, inlay_ns window)
{
	inlay_ns time = 0;
	__u64 bytes = 0;
	unsigned int i;

	for (i = 0; i < e->n; i++) {
		const struct inlay_estimate_sample *s =
			&e->samples[(e->next + INLAY_ESTIMATE_SAMPLES - 1 - i) %
				    INLAY_ESTIMATE_SAMPLES];

		if (i >= ALWAYS && s->at + window < now)
			break;
		time += s->time;
		bytes += s->bytes;
	}
	if (e->busy && now > e->last + SILENCE) {
		time += now - e->begin;
		bytes += e->bytes - e->first;
	}
	return time ? (__u64)((double)bytes * 8e9 / (double)time) : 0;
}

__u64 inlay_estimate_bps(const struct inlay_estimate *e, inlay_ns now)
{
	__u64 quick = rate(e, now, SHORT_WINDOW), slow = rate(e, now, LONG_WINDOW);

	return quick < slow ? quick : slow;
}

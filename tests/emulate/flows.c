/* SPDX-License-Identifier: BSD-2-Clause */
#include "flows.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW (1ULL << 30) /* of flow control: not what is looked at here */

struct flow_packet {
	inlay_ns at;
	__u64 sequence;
	struct flow *flow;
	bool back;
	size_t len;
	__u8 data[INLAY_FRAME_MAX];
};

/* --- Packets under way, by time ------------------------------------------------------------- */

static bool is_before(const struct flow_packet *a, const struct flow_packet *b)
{
	return a->at != b->at ? a->at < b->at : a->sequence < b->sequence;
}

static void push(struct flows *f, struct flow_packet *k)
{
	size_t i = f->n_heap++;

	if (f->n_heap > f->heap_room) {
		f->heap_room = 2 * f->heap_room + 64;
		f->heap = realloc(f->heap, f->heap_room * sizeof(*f->heap));
		if (!f->heap)
			abort();
	}
	k->sequence = f->sequence++;
	for (; i > 0 && is_before(k, f->heap[(i - 1) / 2]); i = (i - 1) / 2)
		f->heap[i] = f->heap[(i - 1) / 2];
	f->heap[i] = k;
}

static struct flow_packet *pop(struct flows *f)
{
	struct flow_packet *top = f->heap[0], *last = f->heap[--f->n_heap];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < f->n_heap) {
		if (child + 1 < f->n_heap && is_before(f->heap[child + 1], f->heap[child]))
			child++;
		if (!is_before(f->heap[child], last))
			break;
		f->heap[i] = f->heap[child];
		i = child;
	}
	if (f->n_heap > 0)
		f->heap[i] = last;
	return top;
}

/* --- The engines ---------------------------------------------------------------------------- */

static void on_data(void *user, __u64 id, const __u8 *data, size_t len, bool fin)
{
	struct flow *f = user;

	f->received += len;
	inlay_conn_stream_consume(f->receiver, id, len);
}

static int on_cid_issue(void *user, struct inlay_cid *ret_cid, __u8 ret_token[16])
{
	struct flow *f = user;
	__u8 data[INLAY_OWN_CID] = {0};

	f->cids++;
	memcpy(data, &f->cids, sizeof(f->cids));
	memset(ret_token, (int)f->cids, 16);
	inlay_cid_set(ret_cid, data, sizeof(data));
	return 0;
}

static void on_random(void *user, __u8 *dst, size_t len)
{
	seeded_bytes(&((struct flow *)user)->all->rng, dst, len);
}

static int read_ones(void *ctx, __u64 offset, __u8 *dst, size_t len)
{
	memset(dst, 1, len);
	return 0;
}

static const struct inlay_stream_source ones = {.read = read_ones};

static struct inlay_handover handover_of(const struct flow *f, enum inlay_role role)
{
	const __u8 cid[2][INLAY_OWN_CID] = {{0xc1}, {0x5e}};
	struct inlay_transport_params params = {
		.initial_max_data = WINDOW,
		.initial_max_stream_data_bidi_local = WINDOW,
		.initial_max_stream_data_bidi_remote = WINDOW,
		.initial_max_stream_data_uni = WINDOW,
		.initial_max_streams_uni = 100,
		.max_udp_payload_size = 1472,
		.active_connection_id_limit = 2,
		.ack_delay_exponent = 3,
		.max_ack_delay = 25 * INLAY_MS,
		.has_min_ack_delay = f->settings.few_acks,
		.min_ack_delay = INLAY_MS,
	};
	inlay_ns rtt = f->all->link.settings.delay + f->all->back;
	struct inlay_handover h = {
		.role = role,
		.version = 1,
		.own = params,
		.peer = params,
		.latest_rtt = rtt,
		.min_rtt = rtt,
		.smoothed_rtt = rtt,
		.rttvar = rtt / 4,
	};

	h.path.local.family = 2;
	h.path.remote.family = 2;
	inlay_cid_set(&h.own_cid, cid[role], INLAY_OWN_CID);
	inlay_cid_set(&h.peer_cid, cid[!role], INLAY_OWN_CID);
	return h;
}

static struct inlay_conn *make_conn(struct flow *f, enum inlay_role role)
{
	struct inlay_handover handover = handover_of(f, role);
	struct inlay_conn_config config = {
		.handover = &handover,
		.ops = &f->ops,
		.user = f,
		.entry = &f->entry[role],
		.log_size = FLOWS_LOG,
		.cc = f->settings.cc,
		.max_recv_buffer = WINDOW,
		.max_streams_open = 100,
		.policy = f->settings.policy,
	};

	f->log[role] = calloc(FLOWS_LOG, sizeof(*f->log[role]));
	if (!f->log[role])
		return NULL;
	config.log = f->log[role];
	return inlay_conn_new(&config, f->all->now);
}

static void free_flow(struct flow *f)
{
	free(f->held);
	inlay_conn_free(f->sender);
	inlay_conn_free(f->receiver);
	free(f->log[0]);
	free(f->log[1]);
	free(f);
}

struct flow *flows_add(struct flows *all, const struct flow_settings *settings)
{
	struct flow *f = all->n < FLOWS_MAX ? calloc(1, sizeof(*f)) : NULL;

	if (!f)
		return NULL;
	f->settings = *settings;
	f->all = all;
	f->ops.on_stream_data = on_data;
	f->ops.cid_issue = on_cid_issue;
	f->ops.random = on_random;
	f->next_frame = all->start + settings->start;
	f->held_until = INLAY_NEVER;
	f->sender = make_conn(f, INLAY_SERVER);
	f->receiver = make_conn(f, INLAY_CLIENT);
	if (!f->sender || !f->receiver) {
		free_flow(f);
		return NULL;
	}
	all->flow[all->n++] = f;
	return f;
}

bool flows_init(struct flows *f, const struct link_settings *settings, __u64 seed)
{
	*f = (struct flows){.back = settings->delay, .start = 1000 * INLAY_S};
	f->now = f->start;
	f->rng.state = seed * 0x9e3779b97f4a7c15ULL | 1;
	link_init(&f->link, settings, seed);
	return true;
}

void flows_fini(struct flows *f)
{
	unsigned int i;

	while (f->n_heap > 0)
		free(pop(f));
	free(f->heap);
	for (i = 0; i < f->n; i++)
		free_flow(f->flow[i]);
}

/* --- What they send ------------------------------------------------------------------------- */

static bool is_over(const struct flow *f)
{
	return f->settings.stop && f->all->now >= f->all->start + f->settings.stop;
}

static void open_stream(struct flow *f, __u64 end)
{
	f->end = end;
	f->open = !inlay_conn_stream_open(f->sender, false, 1000 - f->frame % 1000, &ones, NULL,
					  &f->stream);
	if (f->open)
		inlay_conn_stream_extend(f->sender, f->stream, end, false);
}

/* A stream a second, begun by a key frame. */
static void make_frame(struct flow *f)
{
	__u64 unit = f->settings.media_bytes_per_s / (FLOWS_FPS - 1 + FLOWS_KEY_FRAME), size;
	bool key = f->frame % FLOWS_FPS == 0;

	size = (key ? FLOWS_KEY_FRAME : 1) * unit;
	size = size * (80 + seeded_below(&f->all->rng, 41)) / 100;
	if (key) {
		if (f->open)
			inlay_conn_stream_extend(f->sender, f->stream, f->end, true);
		open_stream(f, size);
	} else if (f->open) {
		f->end += size;
		inlay_conn_stream_extend(f->sender, f->stream, f->end, false);
	}
	f->frame++;
}

static void act(struct flow *f)
{
	if (f->next_frame > f->all->now)
		return;
	if (is_over(f)) {
		/* A bulk stream is cut off where it stands. */
		if (f->open)
			inlay_conn_stream_reset(f->sender, f->stream, 0);
		f->open = false;
		f->next_frame = INLAY_NEVER;
	} else if (f->settings.media_bytes_per_s) {
		make_frame(f);
		f->next_frame += INLAY_S / FLOWS_FPS;
	} else {
		open_stream(f, 1ULL << 50);
		f->next_frame = f->settings.stop ? f->all->start + f->settings.stop : INLAY_NEVER;
	}
}

/* --- The network ---------------------------------------------------------------------------- */

static __u8 *flags_of(struct flow_packet *k)
{
	return k->data + k->len - INLAY_TAG + offsetof(struct inlay_desc, flags);
}

static void note_wait(struct flow *f, inlay_ns wait)
{
	__u64 bucket = wait / FLOWS_BUCKET;

	f->waits[bucket < FLOWS_BUCKETS ? bucket : FLOWS_BUCKETS - 1]++;
	f->n_waits++;
}

static void carry_back(struct flow *f, struct flow_packet *k)
{
	k->at = f->all->now + f->all->back;
	push(f->all, k);
}

static void release_held(struct flow *f)
{
	if (f->held)
		carry_back(f, f->held);
	f->held = NULL;
	f->n_held = 0;
	f->held_until = INLAY_NEVER;
}

/* ACKs are cumulative: the newest stands for those before. */
static void hold(struct flow *f, struct flow_packet *k)
{
	free(f->held);
	f->held = k;
	if (f->n_held++ == 0)
		f->held_until = f->all->now + FLOWS_HOLD;
	if (f->n_held >= f->settings.ack_every)
		release_held(f);
}

/* False: it is lost. */
static bool carry(struct flow *f, struct flow_packet *k)
{
	struct link_arrival a;
	__u8 *flags = flags_of(k);

	a = link_carry(&f->all->link, k->len, *flags >> INLAY_DESC_ECN_SHIFT & 3, f->all->now);
	if (a.n == 0)
		return false;
	*flags = (__u8)(a.ecn << INLAY_DESC_ECN_SHIFT);
	note_wait(f, a.queued);
	f->wire += k->len;
	k->at = a.at[0];
	return true;
}

static void flush(struct flow *f, bool back)
{
	struct inlay_conn *c = back ? f->receiver : f->sender;
	struct flow_packet *k;
	struct inlay_path path;
	__u64 sent = 0;
	int burst;

	for (burst = 0; burst < 100000; burst++) {
		k = malloc(sizeof(*k));
		if (!k)
			abort();
		k->flow = f;
		k->back = back;
		k->len = inlay_conn_send(c, k->data, sizeof(k->data), &path, f->all->now);
		if (k->len == 0) {
			free(k);
			break;
		}
		sent += k->len;
		if (back)
			hold(f, k);
		else if (carry(f, k))
			push(f->all, k);
		else
			free(k);
	}
	f->all->busy |= sent > 0;
	if (!back && sent > f->most_at_once)
		f->most_at_once = sent;
}

static void arrive(struct flows *f, struct flow_packet *k)
{
	struct inlay_path path = {0};

	path.local.family = 2;
	path.remote.family = 2;
	inlay_conn_recv(k->back ? k->flow->sender : k->flow->receiver, &path, k->data, k->len,
			f->now);
	free(k);
}

static inline inlay_ns earlier(inlay_ns a, inlay_ns b)
{
	return a < b ? a : b;
}

static inlay_ns next_event(const struct flows *f, inlay_ns until)
{
	inlay_ns at = f->n_heap > 0 ? earlier(f->heap[0]->at, until) : until;
	unsigned int i;

	for (i = 0; i < f->n; i++) {
		at = earlier(at, f->flow[i]->next_frame);
		at = earlier(at, f->flow[i]->held_until);
		at = earlier(at, inlay_conn_deadline(f->flow[i]->sender));
		at = earlier(at, inlay_conn_deadline(f->flow[i]->receiver));
	}
	return at;
}

static void beat(struct flows *f)
{
	unsigned int i;

	f->busy = f->n_heap > 0 && f->heap[0]->at <= f->now;
	while (f->n_heap > 0 && f->heap[0]->at <= f->now)
		arrive(f, pop(f));
	for (i = 0; i < f->n; i++) {
		struct flow *x = f->flow[i];

		act(x);
		if (inlay_conn_deadline(x->sender) <= f->now)
			inlay_conn_on_timer(x->sender, f->now);
		if (inlay_conn_deadline(x->receiver) <= f->now)
			inlay_conn_on_timer(x->receiver, f->now);
		flush(x, false);
		flush(x, true);
		if (x->held_until <= f->now)
			release_held(x);
	}
	f->beats++;
	f->idle_beats += !f->busy;
}

void flows_run(struct flows *f, inlay_ns until)
{
	inlay_ns end = f->start + until, at;

	while (f->now < end) {
		beat(f);
		at = next_event(f, end);
		/* A deadline in the past would be a defect: let time crawl, and the test see it. */
		f->now = at > f->now ? at : f->now + INLAY_US;
	}
}

/* --- What came of it ------------------------------------------------------------------------ */

inlay_ns flow_wait(const struct flow *f, unsigned int thousandth)
{
	__u64 below = 0, wanted = f->n_waits * thousandth / 1000;
	unsigned int i;

	for (i = 0; i < FLOWS_BUCKETS - 1; i++) {
		below += f->waits[i];
		if (below > wanted)
			break;
	}
	return (i + 1) * FLOWS_BUCKET;
}

void flow_forget_waits(struct flow *f)
{
	memset(f->waits, 0, sizeof(f->waits));
	f->n_waits = 0;
}

double flows_share(const struct flows *f, __u64 bytes, inlay_ns time)
{
	return (double)bytes * INLAY_S / (double)time / (double)f->link.settings.bytes_per_s;
}

double flows_utilisation(const struct flows *f)
{
	return flows_share(f, f->link.passed_bytes - link_backlog(&f->link, f->now),
			   f->now - f->start);
}

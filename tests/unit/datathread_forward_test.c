/* SPDX-License-Identifier: BSD-2-Clause */
/* The data thread forwards: a publisher and its subscribers at real loopback sockets, a real
 * provider, the real forwarder. The control thread is played by the tests. */
#include "forward_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "datathread.h"
#include "provider_local.h"

#define SUBS   3
#define HEADER (1 + INLAY_OWN_CID + INLAY_TX_PN)

/* --- A socket that blocks when told to -------------------------------------------------------- */

static int sends_left = -1; /* messages until EAGAIN; -1: no limit */
static __be16 refused;	    /* destination port that ... */
static int refusal;	    /* ... this happens to; 0: nothing */
static void (*on_send)(size_t bytes);

static bool is_refused(const struct msghdr *m)
{
	return refusal && ((const struct sockaddr_in *)m->msg_name)->sin_port == refused;
}

int sendmmsg(int fd, struct mmsghdr *msgs, unsigned int n, int flags)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (sends_left == 0) {
			errno = EAGAIN;
			break;
		}
		if (sends_left > 0)
			sends_left--;
		if (is_refused(&msgs[i].msg_hdr)) {
			errno = refusal;
			break;
		}
		if (on_send)
			on_send(msgs[i].msg_hdr.msg_iov->iov_len);
		if (sendmsg(fd, &msgs[i].msg_hdr, flags) < 0)
			break;
	}
	return i ? (int)i : -1;
}

/* --- The scene -------------------------------------------------------------------------------- */

static struct world *w;
static struct inlay_provider *provider;
static struct inlay_ring *up, *down;
static struct inlay_datathread *dt;
static struct inlay_port_udp port, publisher, peers[SUBS];
static struct inlay_sa_ref tx_publisher;
static struct inlay_frame got[64];
static __u64 next_pn[SUBS]; /* that is expected at each subscriber */
static __u64 offset;	    /* of the publisher's stream */

static void open_port(struct inlay_port_udp *p)
{
	struct inlay_port_udp_config config = {.local = {.family = AF_INET, .ip = {127, 0, 0, 1}},
					       .buffer_bytes = 1 << 21};

	assert_int_equal(inlay_port_udp_open(p, &config), 0);
}

/* Both ends of one direction, by keys made of |id|. */
static void add_sas(const struct inlay_cid *cid, __u8 id, const struct inlay_port_udp *from,
		    const struct inlay_port_udp *to, struct inlay_sa_ref *ret_tx,
		    struct inlay_sa_ref *ret_rx)
{
	struct inlay_sa_params params = {.cipher = INLAY_AES_128_GCM, .cids = cid, .n_cids = 1};

	memset(&params.keys, id, sizeof(params.keys));
	memset(params.hp, id + 100, sizeof(params.hp));
	params.direction = INLAY_TX;
	params.path = (struct inlay_path){.local = from->local, .remote = to->local};
	assert_int_equal(provider->ops->sa_add(provider, &params, ret_tx), 0);
	params.direction = INLAY_RX;
	params.path = (struct inlay_path){.local = to->local, .remote = from->local};
	assert_int_equal(provider->ops->sa_add(provider, &params, ret_rx), 0);
}

static void add_peer(__u32 i)
{
	struct inlay_subscriber *s = world_sub(w, i);
	struct inlay_headers *h = &s->headers[0];
	struct inlay_cid cid = {.len = INLAY_OWN_CID};
	struct inlay_sa_ref tx, rx;

	open_port(&peers[i]);
	memcpy(cid.data, h->bytes + 1, INLAY_OWN_CID);
	add_sas(&cid, (__u8)(i + 10), &port, &peers[i], &tx, &rx);
	s->sa = tx.number;
	s->sa_generation = tx.generation;
	s->pn_limit = ~0ULL;
	h->port = 0;
	h->path = (struct inlay_path){.local = port.local, .remote = peers[i].local};
	next_pn[i] = 0;
}

static int setup(void **state)
{
	const struct inlay_cid cid = {.len = 8, .data = {1, 2, 3, 4, 5, 6, 7, 8}};
	struct inlay_provider_local_config local = {.max_sa = 16, .max_cids = 16};
	struct inlay_datathread_config config = {.ports = &port, .n_ports = 1, .cpu = -1};
	struct inlay_sa_ref rx;

	sends_left = -1;
	refusal = 0;
	on_send = NULL;
	offset = 0;
	w = world_new(SUBS);
	provider = inlay_provider_local_new(&local);
	assert_non_null(provider);
	open_port(&port);
	open_port(&publisher);
	add_sas(&cid, 1, &publisher, &port, &tx_publisher, &rx);
	assert_int_equal(inlay_state_route(w->st, rx.number, rx.generation, w->upstream), 0);
	for (__u32 i = 0; i < SUBS; i++)
		add_peer(i);
	assert_int_equal(inlay_ring_new(64, &up), 0);
	assert_int_equal(inlay_ring_new(64, &down), 0);
	config.provider = provider;
	config.up = up;
	config.down = down;
	config.tables = w->t;
	config.context = 2;
	assert_int_equal(inlay_datathread_new(&config, &dt), 0);
	return 0;
}

static int teardown(void **state)
{
	inlay_datathread_free(dt);
	inlay_ring_free(up);
	inlay_ring_free(down);
	for (__u32 i = 0; i < SUBS; i++)
		inlay_port_udp_close(&peers[i]);
	inlay_port_udp_close(&publisher);
	inlay_port_udp_close(&port);
	provider->ops->free(provider);
	world_free(w);
	return 0;
}

/* --- The publisher ---------------------------------------------------------------------------- */

/* What stands in w->packet goes to the relay. */
static void publish(void)
{
	size_t len = inlay_writer_len(&w->out);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = port.local.port};
	struct inlay_seal_item item = {.header = w->packet,
				       .header_len = HEADER,
				       .payload = w->packet + HEADER,
				       .payload_len = len - HEADER,
				       .dst = w->packet,
				       .dst_room = sizeof(w->packet),
				       .sa = tx_publisher,
				       .pn = w->pn,
				       .remote = port.local};

	memcpy(&to.sin_addr, port.local.ip, 4);
	assert_int_equal(provider->ops->seal(provider, &item, 1), 1);
	len += INLAY_TAG;
	assert_int_equal(
		sendto(publisher.fd, w->packet, len, MSG_DONTWAIT, (void *)&to, sizeof(to)), len);
}

/* The next |n| packets of one stream: objects of 200 bytes. */
static void publish_objects(int n)
{
	for (int i = 0; i < n; i++) {
		__u8 bytes[300];
		size_t len = offset ? 0 : world_header(bytes, 4);

		len += world_object(bytes + len, 200, (__u8)w->next_pn);
		world_begin(w);
		world_stream(w, 0, offset, bytes, len, false);
		offset += len;
		publish();
	}
}

/* --- The subscribers -------------------------------------------------------------------------- */

static size_t received(__u32 i)
{
	struct inlay_frame *frames[64];

	for (int k = 0; k < 64; k++)
		frames[k] = &got[k];
	return inlay_port_udp_recv(&peers[i], frames, 64, 1);
}

static struct inlay_quic_stream open_copy(__u32 i, struct inlay_frame *f, __u64 *ret_pn)
{
	struct inlay_open_item item = {.packet = f->data, .len = f->len, .local = peers[i].local};
	struct inlay_cursor c = inlay_cursor_of(f->data + HEADER, f->len - HEADER - INLAY_TAG);
	struct inlay_quic_frame frame;
	struct inlay_desc desc;

	assert_int_equal(provider->ops->open(provider, &item, 1), 1);
	memcpy(&desc, f->data + f->len - INLAY_TAG, sizeof(desc));
	*ret_pn = __builtin_bswap64(desc.pn);
	assert_int_equal(inlay_quic_frame_parse(&c, &frame), INLAY_QUIC_NO_ERROR);
	assert_int_equal(inlay_cursor_left(&c), 0);
	return frame.stream;
}

/* Subscriber |i| has |n| copies, numbered on, of bytes that follow one another from |from| on. */
static __u64 assert_copies(__u32 i, size_t n, __u64 from)
{
	size_t seen = 0, some;

	while ((some = received(i)))
		for (size_t k = 0; k < some; k++, seen++) {
			struct inlay_quic_stream s;
			__u64 pn;

			s = open_copy(i, &got[k], &pn);
			assert_int_equal(pn, next_pn[i]++);
			assert_int_equal(s.offset, from);
			assert_int_equal(s.id, 3); /* the relay is a server */
			/* The last bytes count up from the publisher's packet number. */
			assert_int_equal(s.data[s.len - 1], (__u8)(s.data[s.len - 200] + 199));
			from += s.len;
		}
	assert_int_equal(seen, n);
	return from;
}

/* --- The control thread ----------------------------------------------------------------------- */

static size_t taken_up(void)
{
	struct inlay_frame *f[64];
	size_t n = inlay_ring_peek(up, 64, f);

	for (size_t i = 0; i < n; i++)
		assert_int_equal(f[i]->kind, INLAY_FRAME_CLEAR);
	inlay_ring_release(up, n);
	return n;
}

/* A packet for subscriber |i|, with a number of its own, is put into the ring. */
static void leave_clear(__u32 i)
{
	struct inlay_subscriber *s = world_sub(w, i);
	__u64 pn = inlay_fetch_add_u64(&s->next_pn, 1);
	struct inlay_frame *f;
	struct inlay_writer out;

	assert_int_equal(inlay_ring_reserve(down, 1, &f), 1);
	memset(f, 0, offsetof(struct inlay_frame, data));
	out = inlay_writer_of(f->data, sizeof(f->data));
	f->kind = INLAY_FRAME_CLEAR;
	f->path = s->headers[0].path;
	assert_true(inlay_writer_bytes(&out, s->headers[0].bytes, 1 + INLAY_OWN_CID));
	assert_true(inlay_writer_be32(&out, (__u32)pn));
	assert_true(inlay_quic_put_padding(&out, 50));
	assert_true(inlay_quic_put_desc(&out, s->sa, s->sa_generation, 0, HEADER, pn));
	f->len = (__u32)inlay_writer_len(&out);
	inlay_ring_publish(down, 1);
	inlay_datathread_push(dt, true);
}

static struct inlay_datathread_stats stats(void)
{
	struct inlay_datathread_stats s;

	inlay_datathread_stats(dt, &s);
	return s;
}

static __u64 reason(enum inlay_reason r)
{
	struct inlay_reason_counters c;

	inlay_datathread_reasons(dt, &c);
	return c.count[r];
}

/* --- Tests ------------------------------------------------------------------------------------ */

static void copies_reach_every_subscriber_and_open_with_its_key(void **state)
{
	__u64 at[SUBS];

	publish_objects(1);
	inlay_datathread_turn(dt, 0);
	for (__u32 i = 0; i < SUBS; i++)
		at[i] = assert_copies(i, 1, 0);
	assert_int_equal(taken_up(), 1);
	publish_objects(5);
	inlay_datathread_turn(dt, 0);
	for (__u32 i = 0; i < SUBS; i++)
		assert_copies(i, 5, at[i]);
	assert_int_equal(taken_up(), 5);
	assert_int_equal(stats().fanout.packets, 6);
	assert_int_equal(stats().fanout.copies, 6 * SUBS);
	assert_int_equal(stats().fanout.sent, 6 * SUBS);
	assert_int_equal(stats().tx_packets, 6 * SUBS);
	if (port.gso)
		assert_int_equal(stats().ports.tx_merged, SUBS);
	for (enum inlay_reason r = 0; r < INLAY_N_REASONS; r++)
		assert_int_equal(reason(r), 0);
}

/* Who finds a packet in the up ring finds its verdict in the journal. */
static void the_journal_is_written_before_the_original_goes_up(void **state)
{
	publish_objects(3);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(taken_up(), 3);
	for (__u64 pn = 0; pn < 3; pn++) {
		assert_int_equal(world_journal(w, pn)->word,
				 INLAY_JOURNAL_WORD(pn, INLAY_JOURNAL_DONE));
		assert_int_equal(world_journal(w, pn)->verdicts[0], INLAY_MEDIA_FORWARDED);
	}
}

static void lower_numbers_that_wait_in_the_ring_leave_first(void **state)
{
	struct inlay_desc desc;

	leave_clear(1);
	leave_clear(1);
	publish_objects(1);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(received(1), 3);
	for (__u32 k = 0; k < 3; k++) {
		struct inlay_open_item item = {
			.packet = got[k].data, .len = got[k].len, .local = peers[1].local};

		assert_int_equal(provider->ops->open(provider, &item, 1), 1);
		memcpy(&desc, got[k].data + got[k].len - INLAY_TAG, sizeof(desc));
		assert_int_equal(__builtin_bswap64(desc.pn), k);
	}
}

static void what_a_blocked_socket_does_not_take_leaves_later_in_order(void **state)
{
	__u64 at[SUBS];

	publish_objects(1);
	inlay_datathread_turn(dt, 0);
	for (__u32 i = 0; i < SUBS; i++)
		at[i] = assert_copies(i, 1, 0);
	sends_left = 1;
	publish_objects(10);
	inlay_datathread_turn(dt, 0);
	/* It blocks for longer. */
	publish_objects(10);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(stats().fanout.sent, 21 * SUBS);
	sends_left = -1;
	for (int turns = 0; turns < 3; turns++)
		inlay_datathread_turn(dt, 0);
	for (__u32 i = 0; i < SUBS; i++)
		assert_copies(i, 20, at[i]);
	assert_int_equal(reason(INLAY_REASON_COPY_DROPPED), 0);
}

static void copies_that_cannot_wait_are_marked_dropped(void **state)
{
	__u64 made, sum = 0;

	sends_left = 0;
	for (int i = 0; i < 10; i++) {
		publish_objects(9);
		inlay_datathread_turn(dt, 0);
		taken_up();
		/* As the control thread would, so that the journal and the logs go on. */
		inlay_store_u64(&w->up->journal_mark, (__u64)i * 9);
	}
	made = stats().fanout.copies;
	assert_int_equal(made, 90 * SUBS);
	assert_int_equal(stats().fanout.sent, 256);
	assert_int_equal(stats().fanout.dropped, made - 256);
	assert_int_equal(reason(INLAY_REASON_COPY_DROPPED), made - 256);
	for (__u32 i = 0; i < SUBS; i++)
		for (__u64 pn = 90 - 9; pn < 90; pn++)
			sum += !!(inlay_state_log(w->st, i)[pn % WORLD_LOG].flags &
				  INLAY_SENT_DROPPED);
	assert_int_equal(sum, made - 256);
	sends_left = -1;
	for (int turns = 0; turns < 3; turns++)
		inlay_datathread_turn(dt, 0);
	for (__u32 i = 0; i < SUBS; i++)
		assert_true(received(i) > 64 / SUBS);
}

/* How many of the entries of numbers [0, n) are marked. */
static __u64 marked(__u32 i, __u64 n)
{
	__u64 sum = 0;

	for (__u64 pn = 0; pn < n; pn++)
		sum += !!(inlay_state_log(w->st, i)[pn].flags & INLAY_SENT_DROPPED);
	return sum;
}

/* Subscriber 1's, as the only ones. */
static void copies_that_the_kernel_refuses_are_marked_dropped(void **state)
{
	refused = peers[1].local.port;
	refusal = EPERM;
	publish_objects(5);
	inlay_datathread_turn(dt, 0);
	refusal = EMSGSIZE;
	publish_objects(4);
	inlay_datathread_turn(dt, 0);
	for (__u32 i = 0; i < SUBS; i++) {
		assert_copies(i, i == 1 ? 0 : 9, 0);
		assert_int_equal(marked(i, 9), i == 1 ? 9 : 0);
	}
	assert_int_equal(reason(INLAY_REASON_SEND_FAILED), 5);
	assert_int_equal(reason(INLAY_REASON_TOO_LARGE), 4);
	assert_int_equal(reason(INLAY_REASON_COPY_DROPPED), 9);
}

static void copies_that_are_refused_after_they_waited_are_marked_dropped(void **state)
{
	refused = peers[2].local.port;
	refusal = EPERM;
	sends_left = 0;
	publish_objects(6);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(marked(2, 6), 0);
	sends_left = -1;
	for (int turns = 0; turns < 3; turns++)
		inlay_datathread_turn(dt, 0);
	for (__u32 i = 0; i < SUBS; i++) {
		assert_copies(i, i == 2 ? 0 : 6, 0);
		assert_int_equal(marked(i, 6), i == 2 ? 6 : 0);
	}
	assert_int_equal(reason(INLAY_REASON_COPY_DROPPED), 6);
}

static void copies_that_still_wait_at_the_end_are_marked_dropped(void **state)
{
	sends_left = 4;
	publish_objects(6);
	inlay_datathread_turn(dt, 0);
	sends_left = 0;
	assert_int_equal(inlay_datathread_start(dt), 0);
	inlay_datathread_stop(dt);
	sends_left = -1;
	for (__u32 i = 0; i < SUBS; i++)
		assert_int_equal(marked(i, 6), 6 - received(i));
	assert_int_equal(reason(INLAY_REASON_COPY_DROPPED), reason(INLAY_REASON_PORT_BLOCKED));
	/* Nor does any leave later. */
	inlay_datathread_turn(dt, 0);
	for (__u32 i = 0; i < SUBS; i++)
		assert_int_equal(received(i), 0);
}

/* --- Many copies ------------------------------------------------------------------------------ */

#define MANY	12 /* positions of each subscriber */
#define PACKETS 40
#define CLEAR	(HEADER + 50 + INLAY_TAG) /* bytes of what leave_clear() makes */

static size_t sends, sends_before_clear, originals_up;

static void look_at_the_rings(size_t bytes)
{
	struct inlay_frame *f[64];

	if (!sends++)
		leave_clear(1);
	if (bytes == CLEAR)
		sends_before_clear = sends;
	originals_up = inlay_ring_peek(up, 64, f);
}

/* Neither the originals nor the down ring wait for all copies of a burst. */
static void many_copies_are_made_a_part_at_a_time(void **state)
{
	size_t first_part = INLAY_FANOUT_TURN / (MANY * SUBS) + 1;

	for (__u32 i = 0; i < (MANY - 1) * SUBS; i++)
		world_position(w, i % SUBS);
	sends = sends_before_clear = originals_up = 0;
	port.gso = false;
	on_send = look_at_the_rings;
	publish_objects(PACKETS);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(stats().fanout.copies, PACKETS * MANY * SUBS);
	assert_int_equal(sends, PACKETS * MANY * SUBS + 1);
	assert_int_equal(sends_before_clear, first_part * MANY * SUBS + 1);
	assert_int_equal(originals_up, first_part);
	assert_int_equal(taken_up(), PACKETS);
}

static void frames_of_unknown_connections_are_not_forwarded(void **state)
{
	inlay_state_unroute(w->st, 1, 1);
	publish_objects(2);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(taken_up(), 2);
	assert_int_equal(stats().fanout.copies, 0);
	assert_int_equal(reason(INLAY_REASON_NOT_UPSTREAM), 2);
}

/* Control thread and forwarder take numbers of the same subscribers at once. */
static void numbers_are_unique_whoever_takes_them(void **state)
{
	static __u8 seen[SUBS][4096];
	size_t sum = 0, made = 0;

	memset(seen, 0, sizeof(seen));
	assert_int_equal(inlay_datathread_start(dt), 0);
	for (int round = 0; round < 100; round++) {
		publish_objects(4);
		for (__u32 i = 0; i < SUBS; i++)
			leave_clear(i);
		made += 5 * SUBS;
		while (sum < made) {
			struct pollfd p = {.fd = peers[0].fd, .events = POLLIN};

			for (__u32 i = 0; i < SUBS; i++)
				for (size_t n = received(i); n; n = received(i), p.fd = -1)
					for (size_t k = 0; k < n; k++, sum++) {
						struct inlay_open_item item = {
							.packet = got[k].data,
							.len = got[k].len,
							.local = peers[i].local};
						struct inlay_desc desc;

						assert_int_equal(
							provider->ops->open(provider, &item, 1), 1);
						memcpy(&desc, got[k].data + got[k].len - INLAY_TAG,
						       sizeof(desc));
						assert_int_equal(
							seen[i][__builtin_bswap64(desc.pn)]++, 0);
					}
			if (sum < made)
				poll(&p, p.fd >= 0, 1);
		}
		taken_up();
		inlay_store_u64(&w->up->journal_mark, w->next_pn);
	}
	inlay_datathread_stop(dt);
	assert_int_equal(sum, 100 * 5 * SUBS);
	assert_int_equal(reason(INLAY_REASON_PN_REPEATED), 0);
	assert_int_equal(stats().fanout.copies, 400 * SUBS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(copies_reach_every_subscriber_and_open_with_its_key),
		TEST(the_journal_is_written_before_the_original_goes_up),
		TEST(lower_numbers_that_wait_in_the_ring_leave_first),
		TEST(what_a_blocked_socket_does_not_take_leaves_later_in_order),
		TEST(copies_that_cannot_wait_are_marked_dropped),
		TEST(copies_that_the_kernel_refuses_are_marked_dropped),
		TEST(copies_that_are_refused_after_they_waited_are_marked_dropped),
		TEST(copies_that_still_wait_at_the_end_are_marked_dropped),
		TEST(many_copies_are_made_a_part_at_a_time),
		TEST(frames_of_unknown_connections_are_not_forwarded),
		TEST(numbers_are_unique_whoever_takes_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

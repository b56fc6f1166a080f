/* SPDX-License-Identifier: BSD-2-Clause */
/* The endpoint's small parts: timers, token bucket, replies, reset tokens, routing, SipHash. */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "demux.h"
#include "endpoint.h"
#include "replies.h"
#include "reset.h"
#include "timers.h"

static __u64 next_random(__u64 *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

/* --- Timers --------------------------------------------------------------------------------- */

#define N_TIMERS 200

static inlay_ns earliest(const struct inlay_timer *timers)
{
	inlay_ns at = INLAY_NEVER;

	for (int i = 0; i < N_TIMERS; i++)
		if (timers[i].place && timers[i].deadline < at)
			at = timers[i].deadline;
	return at;
}

/* Against a search through all of them. */
static void timers_in_order(void **state)
{
	struct inlay_timer timers[N_TIMERS] = {0}, *timer;
	struct inlay_timers heap = {0};
	__u64 random = 7;
	inlay_ns at;

	assert_true(inlay_timers_next(&heap) == INLAY_NEVER);
	assert_null(inlay_timers_pop(&heap, INLAY_NEVER - 1));
	assert_int_equal(inlay_timers_reserve(&heap, N_TIMERS), 0);
	for (int step = 0; step < 20000; step++) {
		timer = &timers[next_random(&random) % N_TIMERS];
		switch (next_random(&random) % 4) {
		case 0:
			inlay_timers_set(&heap, timer, INLAY_NEVER);
			break;
		case 1:
			at = inlay_timers_next(&heap);
			if (at == INLAY_NEVER)
				break;
			if (at)
				assert_null(inlay_timers_pop(&heap, at - 1));
			timer = inlay_timers_pop(&heap, at);
			assert_non_null(timer);
			assert_true(timer->deadline == at);
			assert_int_equal(timer->place, 0);
			break;
		default:
			inlay_timers_set(&heap, timer, next_random(&random) % 1000);
		}
		assert_true(inlay_timers_next(&heap) == earliest(timers));
	}
	inlay_timers_fini(&heap);
}

/* --- Rates and queues ----------------------------------------------------------------------- */

static unsigned int take_all(struct inlay_bucket *b, inlay_ns now)
{
	unsigned int n = 0;

	while (inlay_bucket_take(b, now))
		n++;
	return n;
}

static void bucket_fills_slowly(void **state)
{
	struct inlay_bucket b;

	inlay_bucket_init(&b, 10, INLAY_S);
	assert_int_equal(take_all(&b, INLAY_S), 10);
	assert_int_equal(take_all(&b, INLAY_S + 99 * INLAY_MS), 0);
	assert_int_equal(take_all(&b, INLAY_S + 100 * INLAY_MS), 1);
	assert_int_equal(take_all(&b, INLAY_S + 450 * INLAY_MS), 3);
	assert_int_equal(take_all(&b, INLAY_S + 500 * INLAY_MS), 1); /* half of one was left */
	/* Never more than a second's worth, and time may stand still or go back. */
	assert_int_equal(take_all(&b, 1000 * INLAY_S), 10);
	assert_int_equal(take_all(&b, INLAY_S), 0);
	inlay_bucket_init(&b, 0, 0);
	assert_int_equal(take_all(&b, 1000 * INLAY_S), 0);
}

static void replies_are_bounded(void **state)
{
	struct inlay_replies *r = calloc(1, sizeof(*r));
	struct inlay_frame *f = calloc(1, sizeof(*f));
	struct inlay_reply *reply;

	assert_non_null(r);
	assert_non_null(f);
	for (int round = 0; round < 3; round++) {
		for (__u16 i = 0; i < INLAY_REPLIES; i++) {
			f->port = i;
			reply = inlay_replies_reserve(r, f);
			assert_non_null(reply);
			reply->len = 1;
			reply->data[0] = (__u8)i;
			inlay_replies_commit(r);
		}
		assert_null(inlay_replies_reserve(r, f));
		for (__u16 i = 0; i < INLAY_REPLIES; i++) {
			assert_true(inlay_replies_pop(r, f));
			assert_int_equal(f->port, i);
			assert_int_equal(f->len, 1);
			assert_int_equal(f->data[0], i);
			assert_int_equal(f->kind, INLAY_FRAME_SEALED);
		}
		assert_false(inlay_replies_pop(r, f));
	}
	free(f);
	free(r);
}

/* --- Resets --------------------------------------------------------------------------------- */

static void reset_sizes(void **state)
{
	assert_int_equal(inlay_reset_len(0), 0);
	assert_int_equal(inlay_reset_len(21), 0);
	assert_int_equal(inlay_reset_len(22), 21);
	assert_int_equal(inlay_reset_len(43), 42);
	assert_int_equal(inlay_reset_len(65), 64);
	assert_int_equal(inlay_reset_len(66), 64);
	assert_int_equal(inlay_reset_len(1200), INLAY_RESET_LONGEST);
	/* An exchange of resets ends by itself. */
	for (size_t len = 1500, n = 0; (len = inlay_reset_len(len)); n++)
		assert_true(n < 100);
}

static void reset_tokens(void **state)
{
	__u8 key[INLAY_RESET_KEY] = {1}, a[INLAY_RESET_TOKEN], b[INLAY_RESET_TOKEN];
	struct inlay_cid cid = {.len = 8, .data = {1, 2, 3, 4, 5, 6, 7, 8}};
	__u8 packet[42];

	inlay_reset_token(key, &cid, a);
	inlay_reset_token(key, &cid, b);
	assert_memory_equal(a, b, sizeof(a));
	cid.data[7] = 9;
	inlay_reset_token(key, &cid, b);
	assert_memory_not_equal(a, b, sizeof(a));
	cid.data[7] = 8;
	key[0] = 2;
	inlay_reset_token(key, &cid, b);
	assert_memory_not_equal(a, b, sizeof(a));
	memset(packet, 0xff, sizeof(packet));
	inlay_reset_write(packet, sizeof(packet), a);
	assert_int_equal(packet[0] & 0xc0, 0x40);
	assert_memory_equal(packet + sizeof(packet) - sizeof(a), a, sizeof(a));
}

/* --- Routing -------------------------------------------------------------------------------- */

/* From the reference implementation: keys 00..0f, inputs 00, 00 01, and so on. */
static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* The same after a restart, another with another key. */
static void reset_key_comes_from_a_file(void **state)
{
	__u8 a[INLAY_RESET_KEY], b[INLAY_RESET_KEY];
	char path[] = "/tmp/inlay-reset-test-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	write_file(path, "one key");
	assert_int_equal(inlay_reset_key_of_file(path, a), 0);
	assert_int_equal(inlay_reset_key_of_file(path, b), 0);
	assert_memory_equal(a, b, sizeof(a));
	write_file(path, "one kez");
	assert_int_equal(inlay_reset_key_of_file(path, b), 0);
	assert_memory_not_equal(a, b, sizeof(a));
	unlink(path);
	assert_int_equal(inlay_reset_key_of_file(path, b), -ENOENT);
}

static void siphash_vectors(void **state)
{
	static const __u64 wanted[] = {0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a,
				       0x85676696d7fb7e2d, 0xcf2794e0277187b7, 0x18765564cd99a68d,
				       0xcbc9466e58fee3ce, 0xab0200f58b01d137, 0x93f5f5799a932462};
	struct inlay_siphash_key key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
	static const __u8 input[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};

	for (size_t len = 0; len < INLAY_ARRAY_SIZE(wanted); len++)
		assert_true(inlay_siphash(&key, input, len) == wanted[len]);
	assert_true(inlay_siphash(&key, input, 15) == 0xa129ca6149be45e5);
}

static void routes(void **state)
{
	struct inlay_cid cid = {.len = 20, .data = {5, 4, 3}},
			 shorter = {.len = 8, .data = {5, 4, 3}};
	struct inlay_ep_conn *one = (void *)&cid, *two = (void *)&shorter;
	const __u8 key[16] = {3}, token[INLAY_RESET_TOKEN] = {7};
	struct inlay_demux d;

	inlay_demux_init(&d, key);
	assert_null(inlay_demux_find_own(&d, cid.data));
	assert_int_equal(inlay_demux_add_own(&d, cid.data, one), 0);
	assert_int_equal(inlay_demux_add_own(&d, cid.data, two), -EEXIST);
	assert_ptr_equal(inlay_demux_find_own(&d, cid.data), one);
	assert_null(inlay_demux_find_initial(&d, cid.data, cid.len));
	assert_int_equal(inlay_demux_add_initial(&d, &cid, one), 0);
	assert_int_equal(inlay_demux_add_initial(&d, &shorter, two), 0);
	assert_ptr_equal(inlay_demux_find_initial(&d, cid.data, 20), one);
	assert_ptr_equal(inlay_demux_find_initial(&d, cid.data, 8), two);
	inlay_demux_del_initial(&d, &cid);
	assert_null(inlay_demux_find_initial(&d, cid.data, 20));
	assert_ptr_equal(inlay_demux_find_initial(&d, cid.data, 8), two);
	assert_int_equal(inlay_demux_add_token(&d, token, one), 0);
	assert_int_equal(inlay_demux_add_token(&d, token, two), -EEXIST);
	assert_ptr_equal(inlay_demux_find_token(&d, token), one);
	inlay_demux_del_token(&d, token);
	assert_null(inlay_demux_find_token(&d, token));
	inlay_demux_del_own(&d, cid.data);
	assert_null(inlay_demux_find_own(&d, cid.data));
	inlay_demux_fini(&d);
}

static const struct inlay_conn_ops *never_called(void *user, struct inlay_ep_conn *c,
						 const struct inlay_handover *h, void **ret_user)
{
	return NULL;
}

/* RFC 9000 section 18.2. */
static void a_limit_of_one_connection_id_is_refused(void **state)
{
	int something;
	const struct inlay_endpoint_ops ops = {.on_connection = never_called};
	struct inlay_endpoint_config config;
	struct inlay_endpoint *ep;

	inlay_endpoint_config_init(&config);
	config.provider = (void *)&something;
	config.keystore = (void *)&something;
	config.ops = &ops;
	assert_true(config.params.active_connection_id_limit >= 2);
	config.params.active_connection_id_limit = 1;
	assert_int_equal(inlay_endpoint_new(&config, 0, &ep), -EINVAL);
	config.params.active_connection_id_limit = 2;
	assert_int_equal(inlay_endpoint_new(&config, 0, &ep), 0);
	inlay_endpoint_free(ep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_in_order),
		cmocka_unit_test(bucket_fills_slowly),
		cmocka_unit_test(replies_are_bounded),
		cmocka_unit_test(reset_sizes),
		cmocka_unit_test(reset_tokens),
		cmocka_unit_test(reset_key_comes_from_a_file),
		cmocka_unit_test(siphash_vectors),
		cmocka_unit_test(routes),
		cmocka_unit_test(a_limit_of_one_connection_id_is_refused),
	};

	return cmocka_run_group_tests_name("endpoint_parts", tests, NULL, NULL);
}

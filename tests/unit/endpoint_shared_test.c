/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections whose entries and logs are of the state that a forwarder reads: which entry it is,
 * what stands in its headers, and when it may be used again.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>

#include <cmocka.h>

#include "conn_internal.h"
#include "endpoint_impl.h"
#include "endpoint_tls.h"
#include "state.h"

static const struct app client_app = {
	.initiator = true, .n_streams = 2, .bytes = 20000, .n_datagrams = 2};

struct scene {
	struct inlay_state *state;
	struct world *w;
	struct node *ours, *peers[3];
};

/* Peers come one after the other, and are served. */
static void begin(struct scene *x, __u32 subscribers, int n_peers)
{
	const struct inlay_state_config config = {.subscribers = subscribers, .log_size = 256};
	struct inlay_endpoint_config ep;

	*x = (struct scene){.w = world_new(1)};
	assert_int_equal(inlay_state_new(&config, &x->state), 0);
	inlay_endpoint_config_init(&ep);
	ep.tls = endpoint_tls_server(&tls, 0);
	ep.state = x->state;
	ep.log_size = 256;
	x->ours = world_add_endpoint(x->w, OURS, &ep, 8);
	for (int i = 0; i < n_peers; i++) {
		x->peers[i] = endpoint_tls_add_client(&tls, x->w, (__u16)(PEER + i), client_app);
		assert_true(world_run(x->w, world_is_done, x->peers[i], 10 * INLAY_S));
		assert_false(x->peers[i]->app.closed);
	}
}

static void end(struct scene *x)
{
	world_free(x->w);
	inlay_state_free(x->state);
}

static void a_connection_is_known_by_its_entry_in_the_state(void **state)
{
	const struct inlay_headers *h;
	const struct inlay_subscriber *e;
	struct inlay_ep_shared shared;
	struct inlay_ep_conn *c;
	struct scene x;

	begin(&x, 4, 1);
	c = x.ours->accepted[0]->ours;
	assert_int_equal(inlay_ep_conn_shared(c, &shared), 0);
	e = inlay_state_subscriber(x.state, shared.subscriber);
	assert_ptr_equal(e, c->entry);
	assert_int_equal(e->generation, shared.generation);
	assert_int_not_equal(shared.generation, 0);
	assert_int_equal(shared.rx_sa.number, c->rx_sa.number);
	assert_int_equal(e->sa, c->tx_sa.number);
	assert_int_equal(e->initiator, 1);
	assert_int_equal(e->log_mask, 255);
	h = &e->headers[e->headers_index & 1];
	assert_memory_equal(&h->path, inlay_ep_conn_path(c), sizeof(h->path));
	assert_int_equal(h->l2_len, 0);
	assert_int_equal(h->quic_len, 1 + inlay_cids_peer(&c->conn->cids)->len + INLAY_TX_PN);
	assert_memory_equal(h->bytes + 1, inlay_cids_peer(&c->conn->cids)->data,
			    inlay_cids_peer(&c->conn->cids)->len);
	/* Somebody may send on it without a word: it is looked after. */
	assert_true(c->conn->recovery.watched);
	end(&x);
}

static void without_a_free_entry_a_connection_is_served_and_not_forwarded(void **state)
{
	struct inlay_ep_shared shared;
	struct scene x;

	begin(&x, 2, 3);
	assert_int_equal(inlay_ep_conn_shared(x.ours->accepted[1]->ours, &shared), 0);
	assert_int_equal(inlay_ep_conn_shared(x.ours->accepted[2]->ours, &shared), -ENOTSUP);
	end(&x);
}

/* Its limits fall at once; the entry is another's only once no forwarder can hold it. */
static void the_entry_of_a_dead_connection_waits_for_whoever_reads_it(void **state)
{
	struct inlay_context *context;
	struct inlay_ep_shared shared;
	struct inlay_subscriber *e;
	struct scene x;
	__u32 index;

	begin(&x, 1, 1);
	context = &inlay_state_tables(x.state)->contexts[3];
	assert_int_equal(inlay_ep_conn_shared(x.ours->accepted[0]->ours, &shared), 0);
	e = inlay_state_subscriber(x.state, shared.subscriber);
	inlay_context_enter(context);
	inlay_peer_close(x.peers[0]->peer, true, 0, "");
	world_pass(x.w, 5 * INLAY_S);
	assert_true(inlay_endpoint_is_idle(x.ours->ep));
	for (int i = 0; i < INLAY_CLASSES; i++)
		assert_true(e->class_limit[i] == 0);
	assert_int_equal(e->pn_limit, 0);
	assert_true(e->next_pn > 0);
	assert_int_equal(inlay_state_subscriber_get(x.state, &index), -ENOSPC);
	inlay_context_leave(context);
	assert_int_equal(inlay_state_subscriber_get(x.state, &index), 0);
	assert_int_equal(index, shared.subscriber);
	assert_int_not_equal(e->generation, shared.generation);
	end(&x);
}

/* Rule 7: the idle copy is written when nobody can hold it, and a CID is retired when nobody can
 * send with it. */
static void headers_change_when_nobody_holds_what_is_written(void **state)
{
	struct inlay_context *context;
	struct inlay_subscriber *e;
	struct inlay_headers before[2];
	struct inlay_conn *conn;
	struct scene x;
	__u32 index;

	begin(&x, 1, 1);
	context = &inlay_state_tables(x.state)->contexts[0];
	conn = inlay_ep_conn_get(x.ours->accepted[0]->ours);
	e = x.ours->accepted[0]->ours->entry;
	inlay_context_enter(context);
	memcpy(before, e->headers, sizeof(before));
	index = e->headers_index;
	assert_int_equal(inlay_conn_rotate_cid(conn), 0);
	world_pass(x.w, 20 * INLAY_MS);
	assert_memory_equal(before, e->headers, sizeof(before));
	assert_int_equal(e->headers_index, index);
	assert_false(inlay_intervals_is_empty(&conn->cids.retiring));
	/* It lets go, and another one comes before the old copy is known to be nobody's. */
	inlay_context_leave(context);
	inlay_context_enter(context);
	world_pass(x.w, 5 * INLAY_MS);
	assert_int_equal(e->headers_index, !index);
	assert_memory_not_equal(before[!index].bytes, e->headers[!index].bytes, 20);
	assert_memory_equal(&before[index], &e->headers[index], sizeof(before[0]));
	assert_false(inlay_intervals_is_empty(&conn->cids.retiring));
	inlay_context_leave(context);
	world_pass(x.w, 5 * INLAY_MS);
	assert_true(inlay_intervals_is_empty(&conn->cids.retiring));
	end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connection_is_known_by_its_entry_in_the_state),
		cmocka_unit_test(without_a_free_entry_a_connection_is_served_and_not_forwarded),
		cmocka_unit_test(the_entry_of_a_dead_connection_waits_for_whoever_reads_it),
		cmocka_unit_test(headers_change_when_nobody_holds_what_is_written),
	};

	return cmocka_run_group_tests(tests, endpoint_tls_set_up, endpoint_tls_tear_down);
}

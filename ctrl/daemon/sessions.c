/* SPDX-License-Identifier: BSD-2-Clause */
#include "sessions.h"

#include <stdlib.h>

#include "address.h"
#include "log.h"
#include "transport_conn.h"

/*
 * Deadlines of sessions are for peers that do not answer: seconds. They are looked at together,
 * this often at most, and not at all while nothing happens.
 */
#define SWEEP_EVERY (20 * INLAY_MS)

struct session {
	struct inlay_list node;
	struct inlay_sessions *all;
	struct inlay_transport_conn transport;
	struct inlay_relay_session *relayed;
	char peer[INLAY_ADDRESS_TEXT];
	bool dialled;
};

static struct session *session_of(struct inlay_list *node)
{
	return inlay_list_entry(node, struct session, node);
}

void inlay_sessions_init(struct inlay_sessions *s, struct inlay_relay *relay, const inlay_ns *now)
{
	*s = (struct inlay_sessions){.relay = relay, .now = now, .next_sweep = INLAY_NEVER};
	inlay_list_init(&s->active);
	inlay_list_init(&s->ended);
}

static void on_ended(struct inlay_transport_conn *t)
{
	struct session *one = inlay_list_entry(t, struct session, transport);

	inlay_list_remove(&one->node);
	inlay_list_append(&one->all->ended, &one->node);
	one->all->n_active--;
}

static void session_free(struct session *one)
{
	one->transport.conn = NULL;
	inlay_relay_session_free(one->relayed);
	free(one);
}

static struct session *session_new(struct inlay_sessions *s, struct inlay_ep_conn *c,
				   const struct inlay_handover *handover)
{
	struct inlay_moq_session_config config = {.implementation = "inlay/" INLAY_VERSION};
	struct session *one = calloc(1, sizeof(*one));

	if (!one)
		return NULL;
	one->all = s;
	one->dialled = handover->role == INLAY_CLIENT;
	inlay_address_format(&handover->path.remote, one->peer);
	inlay_transport_conn_init(&one->transport, c, s->now, on_ended);
	config.transport =
		inlay_transport_conn_transport(&one->transport, handover->role == INLAY_SERVER);
	one->relayed = inlay_relay_session_new(s->relay, &config, one);
	if (!one->relayed) {
		free(one);
		return NULL;
	}
	one->transport.session = inlay_relay_session_moq(one->relayed);
	return one;
}

const struct inlay_conn_ops *inlay_sessions_accept(struct inlay_sessions *s,
						   struct inlay_ep_conn *c,
						   const struct inlay_handover *handover,
						   void **ret_user)
{
	struct session *one = session_new(s, c, handover);

	if (!one) {
		inlay_log(INLAY_LOG_ERROR, "no memory for a session");
		return NULL;
	}
	if (inlay_moq_session_start(one->transport.session, *s->now)) {
		/* A stranger may do this as often as it likes. */
		inlay_log(INLAY_LOG_DEBUG, "%s takes no MoQ session: it allows no streams",
			  one->peer);
		session_free(one);
		return NULL;
	}
	if (one->dialled)
		inlay_relay_session_set_origin(one->relayed);
	inlay_list_append(&s->active, &one->node);
	s->n_active++;
	inlay_log(INLAY_LOG_DEBUG, "%s is connected", one->peer);
	*ret_user = &one->transport;
	return &inlay_transport_conn_ops;
}

static void log_end(const struct session *one)
{
	const struct inlay_close_reason *why = &one->transport.why;

	inlay_log(INLAY_LOG_DEBUG, "%s is gone: %s, %s error 0x%llx%s%s", one->peer,
		  why->idle	 ? "idle"
		  : why->reset	 ? "stateless reset"
		  : why->by_peer ? "closed by it"
				 : "closed by us",
		  why->application ? "application" : "transport", (unsigned long long)why->code,
		  *why->text ? ": " : "", why->text);
}

void inlay_sessions_reap(struct inlay_sessions *s)
{
	while (!inlay_list_is_empty(&s->ended)) {
		struct session *one = session_of(s->ended.next);

		inlay_list_remove(&one->node);
		log_end(one);
		inlay_transport_conn_tell_end(&one->transport);
		if (one->dialled && s->on_dialled_end)
			s->on_dialled_end(s->user, &one->transport.why);
		session_free(one);
	}
}

void inlay_sessions_fini(struct inlay_sessions *s)
{
	inlay_sessions_reap(s);
	while (!inlay_list_is_empty(&s->active)) {
		struct session *one = session_of(s->active.next);

		inlay_list_remove(&one->node);
		session_free(one);
	}
}

void inlay_sessions_stats(const void *user, struct inlay_relay_session_stats *ret)
{
	const struct session *one =
		inlay_list_entry((struct inlay_transport_conn *)user, struct session, transport);

	inlay_relay_session_stats(one->relayed, ret);
}

const struct inlay_ep_conn *inlay_sessions_connection(const void *session)
{
	return ((const struct session *)session)->transport.conn;
}

void inlay_sessions_touch(struct inlay_sessions *s)
{
	if (s->next_sweep > *s->now + SWEEP_EVERY)
		s->next_sweep = *s->now + SWEEP_EVERY;
}

inlay_ns inlay_sessions_deadline(const struct inlay_sessions *s)
{
	return s->next_sweep;
}

/* The first session whose deadline has passed; NULL: none, and |*ret_next| is the earliest one. */
static struct inlay_moq_session *find_due(const struct inlay_sessions *s, inlay_ns *ret_next)
{
	struct inlay_list *node;

	*ret_next = INLAY_NEVER;
	inlay_list_for_each (node, &s->active) {
		struct inlay_moq_session *moq = session_of(node)->transport.session;
		inlay_ns deadline = inlay_moq_session_deadline(moq);

		if (deadline <= *s->now)
			return moq;
		if (deadline < *ret_next)
			*ret_next = deadline;
	}
	return NULL;
}

void inlay_sessions_on_timer(struct inlay_sessions *s)
{
	size_t left = s->n_active;
	struct inlay_moq_session *due;

	if (*s->now < s->next_sweep)
		return;
	/* Looked for anew each time: what one session does may end others. */
	while ((due = find_due(s, &s->next_sweep)) && left--)
		inlay_moq_session_on_timer(due, *s->now);
	/* A deadline that stays in the past must not keep the loop awake. */
	if (due)
		s->next_sweep = *s->now + SWEEP_EVERY;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Namespaces that sessions publish, and prefixes that sessions want to hear of (draft section 6).
 */
#include "relay_impl.h"

#include <stdlib.h>

/* Namespaces that one SUBSCRIBE_NAMESPACE may match (section 10.6: NAMESPACE_TOO_LARGE). */
#define MAX_MATCHING 1024

static bool is_allowed(struct inlay_relay_session *rs, enum inlay_relay_action action,
		       const struct inlay_moq_namespace_request *m)
{
	const struct inlay_relay_config *c = &rs->relay->config;
	struct inlay_moq_name name = {.ns = m->ns};

	return c->authorise == NULL ||
	       c->authorise(c->authorise_user, rs, action, &name, &m->params.tokens);
}

static void refuse(struct inlay_relay_session *rs, struct inlay_moq_request *req, __u64 code,
		   __u64 retry)
{
	rs->relay->stats.refused++;
	(void)inlay_moq_request_error(req, code, retry, inlay_moq_request_code_text(code));
}

/* Is |n| the only one of its name? Subscribers hear of a namespace once, not of its publishers. */
static bool is_only(const struct relay_namespace *n)
{
	struct inlay_list *node;

	inlay_list_for_each (node, &n->session->relay->namespaces) {
		struct relay_namespace *other =
			inlay_list_entry(node, struct relay_namespace, node);

		if (other != n && inlay_moq_namespace_equal(other->ns, n->ns))
			return false;
	}
	return true;
}

static void tell(const struct relay_prefix *p, const struct relay_namespace *n, bool done)
{
	struct inlay_moq_namespace suffix;

	if (!inlay_moq_namespace_has_prefix(n->ns, p->ns))
		return;
	inlay_moq_namespace_suffix(n->ns, p->ns->n, &suffix);
	(void)inlay_moq_request_namespace(p->request, &suffix, done);
}

/* Section 6.2: whoever asked for a prefix of it. */
static void tell_all(const struct relay_namespace *n, bool done)
{
	struct inlay_list *session, *node;

	if (!is_only(n))
		return;
	inlay_list_for_each (session, &n->session->relay->sessions) {
		struct inlay_relay_session *rs =
			inlay_list_entry(session, struct inlay_relay_session, node);

		inlay_list_for_each (node, &rs->prefixes)
			tell(inlay_list_entry(node, struct relay_prefix, of_session), n, done);
	}
}

/* Section 9.5: subscriptions that match go to the new publisher as well. */
static void offer_to_tracks(struct relay_namespace *n)
{
	struct inlay_relay *r = n->session->relay;
	struct inlay_relay_session *rs = n->session;
	struct inlay_moq_namespace *ns = inlay_moq_namespace_dup(n->ns);
	struct inlay_list *node, *after;

	if (ns == NULL)
		return;
	inlay_list_for_each_safe (node, after, &r->tracks) {
		struct relay_track *t = inlay_list_entry(node, struct relay_track, node);

		if (!relay_track_is_wanted(t) || !inlay_moq_namespace_has_prefix(&t->name->ns, ns))
			continue;
		if (t->state == RELAY_TRACK_IDLE || t->state == RELAY_TRACK_LOST)
			relay_track_want(t);
		else
			(void)relay_upstream_subscribe(t, rs);
	}
	free(ns);
}

void relay_namespace_publish(struct inlay_relay_session *rs, struct inlay_moq_request *req,
			     const struct inlay_moq_namespace_request *m)
{
	struct inlay_relay *r = rs->relay;
	struct relay_namespace *n;

	if (!is_allowed(rs, INLAY_RELAY_PUBLISH_NAMESPACE, m)) {
		refuse(rs, req, INLAY_MOQ_REQUEST_UNAUTHORIZED, 0);
		return;
	}
	if (r->stats.namespaces_now >= r->config.max_namespaces ||
	    rs->n_namespaces >= r->config.max_session_namespaces) {
		refuse(rs, req, INLAY_MOQ_REQUEST_EXCESSIVE_LOAD, 1001);
		return;
	}
	n = calloc(1, sizeof(*n));
	if (n != NULL)
		n->ns = inlay_moq_namespace_dup(&m->ns);
	if (n == NULL || n->ns == NULL) {
		free(n);
		refuse(rs, req, INLAY_MOQ_REQUEST_INTERNAL_ERROR, 0);
		return;
	}
	n->session = rs;
	n->request = req;
	inlay_list_append(&r->namespaces, &n->node);
	r->stats.namespaces_now++;
	rs->n_namespaces++;
	inlay_moq_request_set_user(req, n);
	(void)inlay_moq_request_ok(req, NULL, NULL);
	tell_all(n, false);
	offer_to_tracks(n);
}

void relay_namespace_end(struct relay_namespace *n)
{
	tell_all(n, true);
	inlay_list_remove(&n->node);
	n->session->relay->stats.namespaces_now--;
	n->session->n_namespaces--;
	free(n->ns);
	free(n);
}

/* Section 10.18: two prefixes of a session do not overlap. */
static bool overlaps(const struct inlay_relay_session *rs, const struct inlay_moq_namespace *ns)
{
	struct inlay_list *node;

	inlay_list_for_each (node, &rs->prefixes) {
		const struct inlay_moq_namespace *other =
			inlay_list_entry(node, struct relay_prefix, of_session)->ns;

		if (inlay_moq_namespace_has_prefix(ns, other) ||
		    inlay_moq_namespace_has_prefix(other, ns))
			return true;
	}
	return false;
}

static __u32 count_matching(const struct inlay_relay *r, const struct inlay_moq_namespace *prefix)
{
	struct inlay_list *node;
	__u32 n = 0;

	inlay_list_for_each (node, &r->namespaces)
		n += inlay_moq_namespace_has_prefix(
			inlay_list_entry(node, struct relay_namespace, node)->ns, prefix);
	return n;
}

/* Once for each name: at its first publisher. */
static void tell_matching(const struct inlay_relay *r, const struct relay_prefix *p)
{
	struct inlay_list *node, *earlier;

	inlay_list_for_each (node, &r->namespaces) {
		struct relay_namespace *n = inlay_list_entry(node, struct relay_namespace, node);

		if (!inlay_moq_namespace_has_prefix(n->ns, p->ns))
			continue;
		for (earlier = r->namespaces.next; earlier != node; earlier = earlier->next)
			if (inlay_moq_namespace_equal(
				    inlay_list_entry(earlier, struct relay_namespace, node)->ns,
				    n->ns))
				break;
		if (earlier == node)
			tell(p, n, false);
	}
}

void relay_prefix_subscribe(struct inlay_relay_session *rs, struct inlay_moq_request *req,
			    const struct inlay_moq_namespace_request *m)
{
	struct inlay_relay *r = rs->relay;
	struct relay_prefix *p;

	if (!is_allowed(rs, INLAY_RELAY_SUBSCRIBE_NAMESPACE, m)) {
		refuse(rs, req, INLAY_MOQ_REQUEST_UNAUTHORIZED, 0);
		return;
	}
	if (overlaps(rs, &m->ns)) {
		refuse(rs, req, INLAY_MOQ_REQUEST_PREFIX_OVERLAP, 0);
		return;
	}
	if (rs->n_namespaces >= r->config.max_session_namespaces) {
		refuse(rs, req, INLAY_MOQ_REQUEST_EXCESSIVE_LOAD, 1001);
		return;
	}
	if (count_matching(r, &m->ns) > MAX_MATCHING) {
		refuse(rs, req, INLAY_MOQ_REQUEST_NAMESPACE_TOO_LARGE, 0);
		return;
	}
	p = calloc(1, sizeof(*p));
	if (p != NULL)
		p->ns = inlay_moq_namespace_dup(&m->ns);
	if (p == NULL || p->ns == NULL) {
		free(p);
		refuse(rs, req, INLAY_MOQ_REQUEST_INTERNAL_ERROR, 0);
		return;
	}
	p->session = rs;
	p->request = req;
	inlay_list_append(&rs->prefixes, &p->of_session);
	rs->n_namespaces++;
	inlay_moq_request_set_user(req, p);
	(void)inlay_moq_request_ok(req, NULL, NULL);
	tell_matching(r, p);
}

void relay_prefix_end(struct relay_prefix *p)
{
	inlay_list_remove(&p->of_session);
	p->session->n_namespaces--;
	inlay_moq_request_set_user(p->request, NULL);
	free(p->ns);
	free(p);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an established phase asks for: routes for its CIDs, keys for its phases, addresses for its
 * packets. What concerns streams goes on to the application.
 */
#include <errno.h>
#include <string.h>

#include "endpoint_impl.h"

/* --- To the application --------------------------------------------------------------------- */

#define FORWARD(c, name, ...)                                                                      \
	do {                                                                                       \
		if ((c)->app && (c)->app->name)                                                    \
			(c)->app->name((c)->app_user, ##__VA_ARGS__);                              \
	} while (0)

static void on_stream_data(void *user, __u64 id, const __u8 *data, size_t len, bool fin)
{
	struct inlay_ep_conn *c = user;

	FORWARD(c, on_stream_data, id, data, len, fin);
}

static void on_stream_reset(void *user, __u64 id, __u64 code)
{
	struct inlay_ep_conn *c = user;

	FORWARD(c, on_stream_reset, id, code);
}

static void on_stop_sending(void *user, __u64 id, __u64 code)
{
	struct inlay_ep_conn *c = user;

	FORWARD(c, on_stop_sending, id, code);
}

static void on_stream_closed(void *user, __u64 id)
{
	struct inlay_ep_conn *c = user;

	FORWARD(c, on_stream_closed, id);
}

static void on_datagram(void *user, const __u8 *data, size_t len)
{
	struct inlay_ep_conn *c = user;

	FORWARD(c, on_datagram, data, len);
}

static void on_streams_available(void *user, bool bidi)
{
	struct inlay_ep_conn *c = user;

	FORWARD(c, on_streams_available, bidi);
}

static void on_migrated(void *user, const struct inlay_path *path, bool done)
{
	struct inlay_ep_conn *c = user;

	FORWARD(c, on_migrated, path, done);
}

static void on_closed(void *user, const struct inlay_close_reason *why)
{
	struct inlay_ep_conn *c = user;

	inlay_ep_conn_mark(c);
	if (c->closed_told)
		return;
	c->closed_told = true;
	FORWARD(c, on_closed, why);
}

/* --- Handshake and CIDs --------------------------------------------------------------------- */

static void on_confirmed(void *user)
{
	struct inlay_ep_conn *c = user;

	c->confirmed = true;
	if (c->hs)
		inlay_handshake_confirmed(c->hs);
}

static int cid_issue(void *user, struct inlay_cid *ret_cid, __u8 ret_token[16])
{
	struct inlay_ep_conn *c = user;
	struct inlay_provider *p = c->ep->config.provider;
	struct inlay_cid cid;
	int err;

	err = inlay_ep_conn_add_cid(c, &cid);
	if (err)
		return err;
	err = p->ops->cid_add(p, c->rx_sa, &cid);
	if (err) {
		inlay_ep_conn_del_cid(c, &cid);
		return err;
	}
	inlay_reset_token(c->ep->config.reset_key, &cid, ret_token);
	*ret_cid = cid;
	return 0;
}

static void cid_retire(void *user, const struct inlay_cid *cid)
{
	struct inlay_ep_conn *c = user;
	struct inlay_provider *p = c->ep->config.provider;

	p->ops->cid_del(p, c->rx_sa, cid);
	inlay_ep_conn_del_cid(c, cid);
}

/* Packets with a CID that was left may still be on their way to the provider: there it stays, until
 * so many more have been left. */
static void peer_cid(void *user, const struct inlay_cid *cid, bool add)
{
	struct inlay_ep_conn *c = user;
	struct inlay_provider *p = c->ep->config.provider;

	if (add) {
		p->ops->cid_add(p, c->tx_sa, cid);
		return;
	}
	if (c->n_left == INLAY_EP_PEER_LEFT) {
		p->ops->cid_del(p, c->tx_sa, &c->left[0]);
		memmove(c->left, c->left + 1, sizeof(c->left[0]) * --c->n_left);
	}
	c->left[c->n_left++] = *cid;
}

static void peer_token(void *user, const __u8 token[16], bool add)
{
	struct inlay_ep_conn *c = user;

	if (add)
		inlay_ep_conn_add_token(c, token);
	else
		inlay_ep_conn_del_token(c, token);
}

/* --- Keys and paths ------------------------------------------------------------------------- */

static int next_phase_tx(void *user, __u64 first_pn)
{
	struct inlay_ep_conn *c = user;

	return inlay_keystore_next_phase(c->ep->config.keystore, c->secret, INLAY_TX,
					 c->ep->config.provider, c->tx_sa, first_pn);
}

static int next_phase_rx(void *user)
{
	struct inlay_ep_conn *c = user;

	return inlay_keystore_next_phase(c->ep->config.keystore, c->secret, INLAY_RX,
					 c->ep->config.provider, c->rx_sa, 0);
}

static void drop_old_phase(void *user)
{
	struct inlay_ep_conn *c = user;
	struct inlay_provider *p = c->ep->config.provider;

	p->ops->drop_old_phase(p, c->rx_sa);
}

static void path_change(void *user, const struct inlay_path *path)
{
	struct inlay_ep_conn *c = user;
	struct inlay_provider *p = c->ep->config.provider;

	c->path = *path;
	p->ops->set_path(p, c->tx_sa, path);
	if (!p->ops->set_path(p, c->rx_sa, path))
		c->rx_local = path->local;
}

/* Packets that come by another port of ours reach the provider through the endpoint. */
static void path_probe(void *user, const struct inlay_path *path, bool add)
{
	struct inlay_ep_conn *c = user;
	struct inlay_provider *p = c->ep->config.provider;

	/* Another way to the same address needs nothing. */
	if (!memcmp(&path->remote, &c->path.remote, sizeof(path->remote)))
		return;
	if (add)
		p->ops->remote_add(p, c->tx_sa, &path->remote);
	else
		p->ops->remote_del(p, c->tx_sa, &path->remote);
}

static __u16 port_of(void *user, const struct inlay_path *path)
{
	return inlay_ep_conn_port(user, &path->local);
}

static void random_bytes(void *user, __u8 *dst, size_t len)
{
	struct inlay_ep_conn *c = user;

	inlay_endpoint_random(c->ep, dst, len);
}

const struct inlay_conn_ops inlay_ep_conn_ops = {
	.on_stream_data = on_stream_data,
	.on_stream_reset = on_stream_reset,
	.on_stop_sending = on_stop_sending,
	.on_stream_closed = on_stream_closed,
	.on_datagram = on_datagram,
	.on_streams_available = on_streams_available,
	.on_migrated = on_migrated,
	.on_closed = on_closed,
	.on_confirmed = on_confirmed,
	.cid_issue = cid_issue,
	.cid_retire = cid_retire,
	.peer_cid = peer_cid,
	.peer_token = peer_token,
	.next_phase_tx = next_phase_tx,
	.next_phase_rx = next_phase_rx,
	.drop_old_phase = drop_old_phase,
	.path_change = path_change,
	.path_probe = path_probe,
	.port_of = port_of,
	.random = random_bytes,
};

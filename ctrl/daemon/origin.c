/* SPDX-License-Identifier: BSD-2-Clause */
#include "origin.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addr.h"
#include "log.h"
#include "relay.h"

#define MAX_ADDRESSES 8 /* of the origin's name that are tried */

/* A connected UDP socket tells which address of ours reaches the other one; nothing is sent. */
static int find_local(struct inlay_path *path)
{
	struct sockaddr_storage name;
	socklen_t len = inlay_addr_to_sockaddr(&path->remote, &name);
	int fd = socket(path->remote.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&name, len))
		ret = -errno;
	len = sizeof(name);
	if (!ret && getsockname(fd, (struct sockaddr *)&name, &len))
		ret = -errno;
	close(fd);
	if (!ret && !inlay_addr_from_sockaddr((struct sockaddr *)&name, &path->local))
		ret = -EAFNOSUPPORT;
	path->local.port = 0; /* the port's, once it is bound */
	return ret;
}

/* The first address of the host that there is a route to. */
static int look_up(struct inlay_origin *o, char err[INLAY_CONFIG_ERROR])
{
	struct inlay_addr addrs[MAX_ADDRESSES];
	const char *why;
	int n = inlay_uri_resolve(&o->uri, addrs, MAX_ADDRESSES, &why), ret = -ENETUNREACH;

	if (n < 0) {
		snprintf(err, INLAY_CONFIG_ERROR, "origin %s: %s", o->uri.authority, why);
		return -ENOENT;
	}
	for (int i = 0; i < n && ret; i++) {
		o->path.remote = addrs[i];
		ret = find_local(&o->path);
	}
	if (ret)
		snprintf(err, INLAY_CONFIG_ERROR, "origin %s: %s", o->uri.authority,
			 strerror(-ret));
	return ret;
}

static int make_tls(struct inlay_origin *o, const struct inlay_config *config,
		    char err[INLAY_CONFIG_ERROR])
{
	const char *alpn[INLAY_CONFIG_LIST];
	struct inlay_tls_config tls = {
		.role = INLAY_CLIENT,
		.ca_file = *config->origin.ca ? config->origin.ca : NULL,
		.insecure = config->origin.insecure,
		.ciphers = config->ciphers,
		.n_ciphers = config->n_ciphers,
		.alpn = alpn,
		.n_alpn = config->n_alpn,
	};

	for (__u32 i = 0; i < config->n_alpn; i++)
		alpn[i] = config->alpn[i];
	return inlay_tls_new(&tls, err, INLAY_CONFIG_ERROR, &o->tls);
}

int inlay_origin_init(struct inlay_origin *o, const struct inlay_config *config,
		      char err[INLAY_CONFIG_ERROR])
{
	const char *why;
	int ret;

	*o = (struct inlay_origin){
		.retry_min = (inlay_ns)config->origin.retry_min_ms * INLAY_MS,
		.retry_max = (inlay_ns)config->origin.retry_max_ms * INLAY_MS,
		.dial_at = INLAY_NEVER,
		.max_udp_payload =
			(__u32)config->limits.udp_payload_bytes + INLAY_RELAY_COPY_GROWTH,
	};
	if (!*config->origin.uri)
		return 0;
	ret = inlay_uri_parse(config->origin.uri, &o->uri, &why);
	if (ret)
		return ret; /* the configuration was checked */
	ret = look_up(o, err);
	if (!ret)
		ret = make_tls(o, config, err);
	o->retry = o->retry_min;
	o->dial_at = 0;
	return ret;
}

void inlay_origin_fini(struct inlay_origin *o)
{
	inlay_tls_free(o->tls);
	o->tls = NULL;
}

void inlay_origin_on_timer(struct inlay_origin *o, struct inlay_endpoint *ep, inlay_ns now)
{
	struct inlay_endpoint_dial dial = {.tls = o->tls,
					   .host = o->uri.host,
					   .path = o->path,
					   .port = o->port_index,
					   .user = o,
					   .max_udp_payload = o->max_udp_payload};
	struct inlay_ep_conn *ignored;
	int ret;

	if (!o->tls || now < o->dial_at)
		return;
	o->dial_at = INLAY_NEVER;
	ret = inlay_endpoint_connect(ep, &dial, now, &ignored);
	if (ret)
		inlay_origin_on_lost(o, strerror(-ret), now);
}

void inlay_origin_on_connected(struct inlay_origin *o)
{
	o->retry = o->retry_min;
	o->told = false;
	inlay_log(INLAY_LOG_INFO, "origin %s is connected", o->uri.authority);
}

void inlay_origin_on_lost(struct inlay_origin *o, const char *why, inlay_ns now)
{
	/* One line for a time of silence, however often it is dialled. */
	inlay_log(o->told ? INLAY_LOG_DEBUG : INLAY_LOG_WARNING,
		  "origin %s is unreachable: %s; dialling again every %.1f to %.1f s",
		  o->uri.authority, why, (double)o->retry_min / INLAY_S,
		  (double)o->retry_max / INLAY_S);
	o->told = true;
	o->dial_at = now + o->retry;
	o->retry = o->retry * 2 < o->retry_max ? o->retry * 2 : o->retry_max;
}

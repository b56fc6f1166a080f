/* SPDX-License-Identifier: BSD-2-Clause */
/* Puts the daemon together, and takes it apart. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon_impl.h"
#include "log.h"
#include "provider_local.h"
#include "reset.h"

/* --- Steps, in order ---------------------------------------------------------------------------
 */

static int make_tls(struct inlay_daemon *d, bool dev, struct inlay_failure *f)
{
	const struct inlay_config *c = &d->config;
	const char *alpn[INLAY_CONFIG_LIST];
	struct inlay_tls_config tls = {
		.role = INLAY_SERVER,
		.cert_file = c->certificate,
		.key_file = c->key,
		.self_signed = dev,
		.ciphers = c->ciphers,
		.n_ciphers = c->n_ciphers,
		.alpn = alpn,
		.n_alpn = c->n_alpn,
	};
	char err[512];

	for (__u32 i = 0; i < c->n_alpn; i++)
		alpn[i] = c->alpn[i];
	if (inlay_tls_new(&tls, err, sizeof(err), &d->tls))
		return inlay_fail(f, INLAY_EXIT_CONFIG, "%s%s", err,
				  access(c->certificate, F_OK)
					  ? "; configure certificate and key, or try inlayd --dev"
					  : "");
	return 0;
}

/* Clients verify even a throw-away certificate: it is written where they find it. */
static int write_dev_certificate(struct inlay_daemon *d, struct inlay_failure *f)
{
	int ret;

	snprintf(d->dev_dir, sizeof(d->dev_dir), "/tmp/inlayd-dev-XXXXXX");
	if (!mkdtemp(d->dev_dir)) {
		*d->dev_dir = '\0';
		return inlay_fail(f, INLAY_EXIT_FAILED, "/tmp: no place for the certificate: %s",
				  strerror(errno));
	}
	snprintf(d->dev_certificate, sizeof(d->dev_certificate), "%s/certificate.pem", d->dev_dir);
	ret = inlay_tls_write_pem(d->tls, d->dev_certificate, NULL);
	if (ret)
		return inlay_fail(f, INLAY_EXIT_FAILED, "%s: %s", d->dev_certificate,
				  strerror(-ret));
	return 0;
}

static void raise_memory_lock(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_MEMLOCK, &limit);
}

static int fail_memory(struct inlay_failure *f, const char *what, int err)
{
	if (err == EPERM || err == ENOMEM || err == EAGAIN)
		return inlay_fail(
			f, INLAY_EXIT_FAILED,
			"%s: memory for keys cannot be locked: raise the limit (ulimit -l, or "
			"LimitMEMLOCK= of the service), or lower max_connections",
			what);
	return inlay_fail(f, INLAY_EXIT_FAILED, "%s: %s", what, strerror(err));
}

static int make_provider(struct inlay_daemon *d, struct inlay_failure *f)
{
	const struct inlay_provider_local_config config = inlay_config_provider(&d->config);

	raise_memory_lock();
	d->keystore = inlay_keystore_new((size_t)d->config.max_connections);
	if (!d->keystore)
		return fail_memory(f, "key store", errno);
	d->provider = inlay_provider_local_new(&config);
	if (d->provider)
		return 0;
	if (errno == ENOTSUP || errno == ENOENT)
		return inlay_fail(f, INLAY_EXIT_CONFIG,
				  "crypto_backend: %s is not available on this machine; use auto",
				  config.backend);
	if (errno == EBADMSG)
		return inlay_fail(f, INLAY_EXIT_FAILED, "crypto_backend: %s failed its self-test",
				  config.backend);
	return fail_memory(f, "crypto provider", errno);
}

static int open_port(struct inlay_daemon *d, const struct inlay_addr *addr, struct inlay_failure *f)
{
	const struct inlay_port_udp_config config = {
		.local = *addr,
		.index = (__u16)d->n_ports,
		.buffer_bytes = (__u32)d->config.socket_buffer_bytes,
		.no_gso = d->config.gso == INLAY_OFFLOAD_OFF,
		.no_gro = d->config.gro == INLAY_OFFLOAD_OFF,
	};
	char text[INLAY_ADDRESS_TEXT];
	int ret = inlay_port_udp_open(&d->ports[d->n_ports], &config);

	inlay_address_format(addr, text);
	if (ret == -EADDRINUSE)
		return inlay_fail(f, INLAY_EXIT_FAILED,
				  "listen: %s: address already in use; is another inlayd running?",
				  text);
	if (ret == -EADDRNOTAVAIL)
		return inlay_fail(f, INLAY_EXIT_FAILED,
				  "listen: %s: not an address of this machine", text);
	if (ret)
		return inlay_fail(f, INLAY_EXIT_FAILED, "listen: %s: %s", text, strerror(-ret));
	d->n_ports++;
	return 0;
}

static int open_ports(struct inlay_daemon *d, struct inlay_failure *f)
{
	/* Of the origin's family, at any address: the listeners' may not reach it. */
	struct inlay_addr any = {.family = d->origin.path.remote.family};

	for (__u32 i = 0; i < d->config.n_listen; i++)
		if (open_port(d, &d->config.listen[i], f))
			return -1;
	if (!inlay_origin_is_set(&d->origin))
		return 0;
	if (d->n_ports == INLAY_DATATHREAD_PORTS)
		return inlay_fail(f, INLAY_EXIT_CONFIG,
				  "listen: one address too many beside an origin");
	if (open_port(d, &any, f))
		return -1;
	d->origin.port_index = (__u16)(d->n_ports - 1);
	d->origin.path.local.port = d->ports[d->n_ports - 1].local.port;
	return 0;
}

static int make_origin(struct inlay_daemon *d, struct inlay_failure *f)
{
	char err[INLAY_CONFIG_ERROR];
	int ret = inlay_origin_init(&d->origin, &d->config, err);

	if (!ret)
		return 0;
	/* Looked up in vain: not the file's fault, perhaps. */
	return inlay_fail(f,
			  ret == -ENOENT && !d->origin.path.remote.family ? INLAY_EXIT_FAILED
									  : INLAY_EXIT_CONFIG,
			  "%s", err);
}

static __u32 power_of_two(__u64 least)
{
	__u32 n = 1;

	while (n < least && n < 1U << 20)
		n *= 2;
	return n;
}

/* Address space for the limits that are configured; what is not touched costs nothing. */
static int make_state(struct inlay_daemon *d, struct inlay_failure *f)
{
	const struct inlay_config *c = &d->config;
	const struct inlay_state_config config = {
		.subscribers = power_of_two((__u64)c->max_connections),
		.log_size = (__u32)c->limits.sent_log_packets,
		.upstreams = power_of_two((__u64)c->limits.forwarded_publishers),
		.tracks = (__u32)c->limits.forwarded_tracks,
		.slots = power_of_two((__u64)c->limits.forwarded_streams),
	};
	int ret;

	if (c->placement == INLAY_PLACEMENT_CONVENTIONAL)
		return 0;
	ret = inlay_state_new(&config, &d->state);
	if (ret)
		return inlay_fail(f, INLAY_EXIT_FAILED, "state of the forwarder: %s",
				  strerror(-ret));
	return 0;
}

static int make_datathread(struct inlay_daemon *d, struct inlay_failure *f)
{
	struct inlay_datathread_config config = {.provider = d->provider,
						 .ports = d->ports,
						 .n_ports = d->n_ports,
						 .cpu = (int)d->config.data_thread_cpu};
	if (d->state)
		config.tables = inlay_state_tables(d->state);
	int ret = inlay_ring_new((__u32)d->config.ring_frames, &d->up);

	if (!ret)
		ret = inlay_ring_new((__u32)d->config.ring_frames, &d->down);
	if (ret)
		return inlay_fail(f, INLAY_EXIT_FAILED, "rings: %s", strerror(-ret));
	config.up = d->up;
	config.down = d->down;
	ret = inlay_datathread_new(&config, &d->datathread);
	if (ret)
		return inlay_fail(f, INLAY_EXIT_FAILED, "data thread: %s", strerror(-ret));
	return 0;
}

/* --- The control plane --------------------------------------------------------------------------
 */

static void origin_lost(struct inlay_daemon *d, const char *why)
{
	/* At the end it is we who go. */
	if (!inlay_loop_signals(d->loop))
		inlay_origin_on_lost(&d->origin, why, d->now);
}

static const struct inlay_conn_ops *on_connection(void *user, struct inlay_ep_conn *c,
						  const struct inlay_handover *handover,
						  void **ret_user)
{
	struct inlay_daemon *d = user;
	const struct inlay_conn_ops *ops =
		inlay_sessions_accept(&d->sessions, c, handover, ret_user);

	if (ops)
		inlay_qlogs_on_connection(&d->qlogs, c, d->now);
	/* Without a session nobody will hear of the connection's end. */
	if (inlay_ep_conn_dial_user(c) && ops)
		inlay_origin_on_connected(&d->origin);
	else if (inlay_ep_conn_dial_user(c))
		origin_lost(d, "no session with it");
	return ops;
}

static void on_failed(void *user, struct inlay_ep_conn *c,
		      const struct inlay_handshake_failure *why)
{
	struct inlay_daemon *d = user;
	char text[INLAY_ADDRESS_TEXT];

	if (inlay_ep_conn_dial_user(c)) {
		origin_lost(d, why->text);
		return;
	}
	inlay_address_format(&inlay_ep_conn_path(c)->remote, text);
	inlay_log(INLAY_LOG_DEBUG, "handshake with %s failed: 0x%llx %s", text,
		  (unsigned long long)why->code, why->text);
}

static void on_dialled_end(void *user, const struct inlay_close_reason *why)
{
	struct inlay_daemon *d = user;
	const char *text = why->idle ? "it was silent" : *why->text ? why->text : "it closed";

	origin_lost(d, text);
}

static const struct inlay_endpoint_ops endpoint_ops = {.on_connection = on_connection,
						       .on_failed = on_failed};

static void configure_endpoint(const struct inlay_daemon *d, struct inlay_endpoint_config *e)
{
	const struct inlay_config *c = &d->config;
	struct inlay_transport_params *p = &e->params;

	p->initial_max_data = (__u64)c->limits.connection_window_bytes;
	p->initial_max_stream_data_bidi_local = (__u64)c->limits.stream_window_bytes;
	p->initial_max_stream_data_bidi_remote = (__u64)c->limits.stream_window_bytes;
	p->initial_max_stream_data_uni = (__u64)c->limits.stream_window_bytes;
	p->initial_max_streams_bidi = (__u64)c->limits.streams_bidi;
	p->initial_max_streams_uni = (__u64)c->limits.streams_uni;
	p->max_idle_timeout = (inlay_ns)c->limits.idle_timeout_ms * INLAY_MS;
	e->keep_alive = (inlay_ns)c->limits.keep_alive_ms * INLAY_MS;
	p->max_udp_payload_size = (__u64)c->limits.udp_payload_bytes;
	e->max_path_mtu = (__u32)c->limits.path_mtu_bytes;
	e->no_ecn = !c->ecn;
	e->handshake_timeout = (inlay_ns)c->limits.handshake_timeout_ms * INLAY_MS;
	e->max_handshakes = (__u32)c->max_handshakes;
	e->max_connections = (__u32)c->max_connections;
	e->retry = c->retry == INLAY_RETRY_ON;
	e->retry_above = c->retry == INLAY_RETRY_LOAD ? (__u32)c->retry_above : ~0U;
	e->max_early = (__u32)c->limits.early_packets;
	e->replies_per_second = (__u32)c->limits.replies_per_second;
	e->log_size = (__u32)c->limits.sent_log_packets;
	e->state = d->state;
	e->policy = d->policy;
	e->cc = (enum inlay_cc_algorithm)c->congestion_control;
	e->max_window_growth = (__u32)c->limits.window_growth;
	e->max_recv_buffer = (__u64)c->limits.connection_window_bytes * e->max_window_growth;
	e->max_recv_memory = (__u64)c->limits.receive_memory_bytes;
	e->max_datagram_queue = (__u64)c->limits.datagram_queue_bytes;
	e->max_streams_open = (__u64)c->limits.own_streams;
}

static int make_endpoint(struct inlay_daemon *d, bool dev, struct inlay_failure *f)
{
	struct inlay_endpoint_config config;
	int ret;

	inlay_endpoint_config_init(&config);
	configure_endpoint(d, &config);
	config.provider = d->provider;
	config.keystore = d->keystore;
	config.tls = d->tls;
	config.ops = &endpoint_ops;
	config.user = d;
	/* Clients of a daemon that died learn of it from the one that follows. */
	config.has_reset_key = !dev && !inlay_reset_key_of_file(d->config.key, config.reset_key);
	ret = inlay_endpoint_new(&config, d->now, &d->endpoint);
	explicit_bzero(config.reset_key, sizeof(config.reset_key));
	if (ret)
		return inlay_fail(f, INLAY_EXIT_FAILED, "endpoint: %s", strerror(-ret));
	return 0;
}

static int make_relay(struct inlay_daemon *d, struct inlay_failure *f)
{
	const struct inlay_config *c = &d->config;
	struct inlay_relay_config config = {
		.cache = {.max_bytes = (size_t)c->cache.bytes,
			  .max_track_bytes = (size_t)c->cache.track_bytes,
			  .max_track_groups = (__u32)c->cache.track_groups},
		.max_cache_age = (inlay_ns)c->cache.age_ms * INLAY_MS,
		.max_rendezvous = (inlay_ns)c->relay.rendezvous_max_ms * INLAY_MS,
		.linger = (inlay_ns)c->relay.linger_ms * INLAY_MS,
		.grace = (inlay_ns)c->relay.publisher_grace_ms * INLAY_MS,
		.max_tracks = (__u32)c->relay.max_tracks,
		.max_namespaces = (__u32)c->relay.max_namespaces,
		.max_session_namespaces = (__u32)c->relay.session_namespaces,
		.max_session_subscriptions = (__u32)c->relay.session_subscriptions,
		.max_session_publications = (__u32)c->relay.session_publications,
		.max_streams = (__u32)c->relay.subscription_streams,
		.max_resets = (__u32)c->relay.subscription_resets,
		.policy = d->policy,
		.state = d->state,
		.max_udp_payload = (__u32)c->limits.udp_payload_bytes,
	};

	if (getrandom(&config.hash_seed, sizeof(config.hash_seed), 0) != sizeof(config.hash_seed))
		return inlay_fail(f, INLAY_EXIT_FAILED, "no random numbers: %s", strerror(errno));
	d->relay = inlay_relay_new(&config);
	if (!d->relay)
		return inlay_fail(f, INLAY_EXIT_FAILED, "relay: %s", strerror(ENOMEM));
	inlay_sessions_init(&d->sessions, d->relay, &d->now);
	d->sessions.on_dialled_end = on_dialled_end;
	d->sessions.user = d;
	return 0;
}

/* --- The loop ------------------------------------------------------------------------------------
 */

/* The turn that follows looks at the rings anyway. */
static void ring_ready(void *user, __u32 events)
{
}

static int make_loop(struct inlay_daemon *d, struct inlay_failure *f)
{
	int ret;

	d->up_watch = (struct inlay_watch){inlay_ring_fds(d->up).data, ring_ready, d};
	d->room_watch = (struct inlay_watch){inlay_ring_fds(d->down).room, ring_ready, d};
	/* Edge-triggered: a signal need not be read away. */
	ret = inlay_loop_watch(d->loop, &d->up_watch, EPOLLIN | EPOLLET);
	if (!ret)
		ret = inlay_loop_watch(d->loop, &d->room_watch, EPOLLIN | EPOLLET);
	if (ret)
		return inlay_fail(f, INLAY_EXIT_FAILED, "event loop: %s", strerror(-ret));
	return 0;
}

static int make_control(struct inlay_daemon *d, struct inlay_failure *f)
{
	const char *path = d->config.control_socket;
	int ret = inlay_control_new(d->loop, path, inlay_daemon_commands, d, &d->control);

	if (ret == -EADDRINUSE)
		return inlay_fail(f, INLAY_EXIT_FAILED,
				  "control_socket: %s: another inlayd answers there; give this one "
				  "a path of its own",
				  path);
	if (ret == -EEXIST)
		return inlay_fail(f, INLAY_EXIT_FAILED, "control_socket: %s: not a socket", path);
	if (ret)
		return inlay_fail(f, INLAY_EXIT_FAILED, "control_socket: %s: %s", path,
				  strerror(-ret));
	return 0;
}

static int open_qlogs(struct inlay_daemon *d, struct inlay_failure *f)
{
	int ret = inlay_qlogs_init(&d->qlogs, &d->config);

	if (ret)
		return inlay_fail(f, INLAY_EXIT_CONFIG, "qlog.directory: %s: %s",
				  d->config.qlog.directory, strerror(-ret));
	return 0;
}

static int start(struct inlay_daemon *d, struct inlay_failure *f)
{
	int ret = inlay_datathread_start(d->datathread);

	if (ret == -EINVAL && d->config.data_thread_cpu >= 0)
		return inlay_fail(f, INLAY_EXIT_CONFIG,
				  "data_thread_cpu: there is no CPU %lld to run on",
				  (long long)d->config.data_thread_cpu);
	if (ret)
		return inlay_fail(f, INLAY_EXIT_FAILED, "data thread: %s", strerror(-ret));
	return 0;
}

static int set_up(struct inlay_daemon *d, bool dev, struct inlay_failure *f)
{
	int ret = inlay_loop_new(&d->loop);

	if (ret)
		return inlay_fail(f, INLAY_EXIT_FAILED, "event loop: %s", strerror(-ret));
	d->now = d->started = inlay_loop_now();
	if (open_qlogs(d, f) || make_tls(d, dev, f) || (dev && write_dev_certificate(d, f)) ||
	    make_origin(d, f) || make_provider(d, f) || open_ports(d, f) || make_state(d, f) ||
	    make_datathread(d, f) || make_relay(d, f) || make_endpoint(d, dev, f) ||
	    make_loop(d, f) || start(d, f))
		return -1;
	return make_control(d, f);
}

struct inlay_daemon *inlay_daemon_new(const struct inlay_config *config, bool dev,
				      struct inlay_failure *ret_failure)
{
	struct inlay_daemon *d = calloc(1, sizeof(*d));

	if (!d) {
		inlay_fail(ret_failure, INLAY_EXIT_FAILED, "%s", strerror(ENOMEM));
		return NULL;
	}
	d->config = *config;
	for (size_t i = 0; i < INLAY_DATATHREAD_PORTS; i++)
		d->ports[i].fd = -1;
	d->policy = config->policy == INLAY_POLICY_LIVE ? &inlay_policy_live : &inlay_policy_fair;
	d->qlogs.dirfd = -1;
	d->origin.dial_at = INLAY_NEVER;
	if (set_up(d, dev, ret_failure)) {
		inlay_daemon_free(d);
		return NULL;
	}
	return d;
}

static void remove_dev_certificate(struct inlay_daemon *d)
{
	if (*d->dev_certificate)
		unlink(d->dev_certificate);
	if (*d->dev_dir)
		rmdir(d->dev_dir);
}

void inlay_daemon_free(struct inlay_daemon *d)
{
	if (!d)
		return;
	inlay_control_free(d->control);
	/* What was said last leaves before the keys go. */
	if (d->datathread)
		inlay_datathread_stop(d->datathread);
	inlay_endpoint_free(d->endpoint);
	inlay_qlogs_fini(&d->qlogs);
	if (d->relay)
		inlay_sessions_fini(&d->sessions);
	inlay_relay_free(d->relay);
	inlay_datathread_free(d->datathread);
	inlay_state_free(d->state);
	for (size_t i = 0; i < INLAY_DATATHREAD_PORTS; i++)
		inlay_port_udp_close(&d->ports[i]);
	if (d->provider)
		d->provider->ops->free(d->provider);
	inlay_keystore_free(d->keystore);
	inlay_origin_fini(&d->origin);
	inlay_tls_free(d->tls);
	inlay_loop_free(d->loop);
	inlay_ring_free(d->up);
	inlay_ring_free(d->down);
	remove_dev_certificate(d);
	free(d);
}

const struct inlay_addr *inlay_daemon_listener(const struct inlay_daemon *d, size_t i)
{
	return i < d->config.n_listen ? &d->ports[i].local : NULL;
}

const char *inlay_daemon_dev_certificate(const struct inlay_daemon *d)
{
	return *d->dev_certificate ? d->dev_certificate : NULL;
}

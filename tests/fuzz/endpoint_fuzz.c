/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arbitrary datagrams, opened or not, from four strangers into an endpoint that accepts
 * connections, with Retry from the third handshake on. Whatever comes, frames that go out are
 * within bounds, and when all are gone so is every secret and every security association.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"
#include "endpoint_input.h"
#include "provider_local.h"

#define MAX_CONNECTIONS 8

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const __u8 *data, size_t len);

static struct inlay_tls *tls;
static struct inlay_provider *provider;
static struct inlay_keystore *keystore;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char *const alpn[] = {"moqt-18"};
	struct inlay_tls_config config = {
		.role = INLAY_SERVER, .self_signed = true, .alpn = alpn, .n_alpn = 1};
	struct inlay_provider_local_config local = {.max_sa = 2 * MAX_CONNECTIONS,
						    .max_cids = INLAY_CONN_CIDS * MAX_CONNECTIONS};

	provider = inlay_provider_local_new(&local);
	keystore = inlay_keystore_new(MAX_CONNECTIONS);
	if (!provider || !keystore || inlay_tls_new(&config, NULL, 0, &tls))
		abort();
	return 0;
}

static const struct inlay_conn_ops *on_connection(void *user, struct inlay_ep_conn *c,
						  const struct inlay_handover *h, void **ret_user)
{
	static const struct inlay_conn_ops none;

	return &none;
}

static struct inlay_endpoint *new_endpoint(inlay_ns now)
{
	static const struct inlay_endpoint_ops ops = {.on_connection = on_connection};
	struct inlay_endpoint_config config;
	struct inlay_endpoint *ep;

	input_random_state = 1;
	inlay_endpoint_config_init(&config);
	config.provider = provider;
	config.keystore = keystore;
	config.tls = tls;
	config.ops = &ops;
	config.max_handshakes = 4;
	config.max_connections = MAX_CONNECTIONS;
	config.retry_above = 2;
	config.random = input_random;
	if (inlay_endpoint_new(&config, now, &ep))
		abort();
	return ep;
}

static void drain(struct inlay_endpoint *ep, inlay_ns now)
{
	static struct inlay_frame frames[4];
	size_t n, total = 0;

	while ((n = inlay_endpoint_send(ep, frames, 4, now))) {
		for (size_t i = 0; i < n; i++)
			if (!frames[i].len || frames[i].len > sizeof(frames[i].data) ||
			    frames[i].kind < INLAY_FRAME_CLEAR ||
			    frames[i].kind > INLAY_FRAME_UNKNOWN)
				abort();
		total += n;
		if (total > 1000)
			abort(); /* one packet, a thousand answers */
	}
}

static void pass_time(struct inlay_endpoint *ep, inlay_ns *now, inlay_ns time)
{
	inlay_ns until = *now + time;
	int steps = 0;

	while (inlay_endpoint_deadline(ep) <= until) {
		if (inlay_endpoint_deadline(ep) > *now)
			*now = inlay_endpoint_deadline(ep);
		inlay_endpoint_on_timer(ep, *now);
		drain(ep, *now);
		if (++steps > 20000)
			abort(); /* a timer that never rests */
	}
	*now = until;
}

static void give(struct inlay_endpoint *ep, __u8 what, const __u8 *data, size_t len, inlay_ns now)
{
	static struct inlay_frame f;

	if (len > sizeof(f.data))
		return;
	memset(&f, 0, offsetof(struct inlay_frame, data));
	f.kind = (what & 3) == INPUT_SEALED    ? INLAY_FRAME_SEALED
		 : (what & 3) == INPUT_UNKNOWN ? INLAY_FRAME_UNKNOWN
					       : INLAY_FRAME_CLEAR;
	f.len = (__u32)len;
	f.path.local =
		(struct inlay_addr){.family = AF_INET, .port = htons(4433), .ip = {127, 0, 0, 1}};
	f.path.remote = f.path.local;
	f.path.remote.port = htons((__u16)(INPUT_PORT + (what >> 2 & 3)));
	memcpy(f.data, data, len);
	inlay_endpoint_recv(ep, &f, now);
	drain(ep, now);
}

static void assert_nothing_is_left(void)
{
	inlay_secret secrets[MAX_CONNECTIONS];

	for (int i = 0; i < MAX_CONNECTIONS; i++)
		if (inlay_keystore_add(keystore, INLAY_AES_128_GCM, &secrets[i]))
			abort();
	for (int i = 0; i < MAX_CONNECTIONS; i++)
		inlay_keystore_del(keystore, secrets[i]);
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len)
{
	inlay_ns now = 100 * INLAY_S;
	struct inlay_endpoint *ep = new_endpoint(now);

	while (len >= 3) {
		size_t n = (size_t)data[1] << 8 | data[2];
		__u8 what = data[0];

		data += 3;
		len -= 3;
		if ((what & 3) == INPUT_TIME) {
			pass_time(ep, &now, n * INLAY_MS);
			continue;
		}
		if (n > len)
			n = len;
		give(ep, what, data, n, now);
		data += n;
		len -= n;
	}
	/* Handshakes that nobody goes on with end by themselves. */
	pass_time(ep, &now, 120 * INLAY_S);
	if (!inlay_endpoint_is_idle(ep))
		abort();
	inlay_endpoint_free(ep);
	assert_nothing_is_left();
	return 0;
}

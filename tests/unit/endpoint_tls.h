/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates and TLS contexts of the endpoint's tests: one certificate, a context per cipher. */
#ifndef INLAY_TESTS_ENDPOINT_TLS_H
#define INLAY_TESTS_ENDPOINT_TLS_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "endpoint_world.h"
#include "peer_pair.h"

#define OURS 4433 /* ports */
#define PEER 5000

#define ENDPOINT_TLS_MAX (INLAY_CHACHA20_POLY1305 + 1)

struct endpoint_tls {
	struct pair_certificate files;
	struct inlay_tls *server[ENDPOINT_TLS_MAX]; /* by cipher; [0]: all of them */
	struct inlay_tls *client[ENDPOINT_TLS_MAX];
};

static inline int endpoint_tls_one(struct endpoint_tls *t, enum inlay_role role, int i)
{
	static const char *const alpn[] = {"moqt-18"};
	const enum inlay_cipher cipher = (enum inlay_cipher)i;
	struct inlay_tls_config config = {
		.role = role,
		.cert_file = t->files.cert,
		.key_file = t->files.key,
		.ca_file = t->files.cert,
		.ciphers = i ? &cipher : NULL,
		.n_ciphers = 1,
		.alpn = alpn,
		.n_alpn = 1,
	};
	char text[256];

	return inlay_tls_new(&config, text, sizeof(text),
			     role == INLAY_SERVER ? &t->server[i] : &t->client[i]);
}

static inline int endpoint_tls_make(struct endpoint_tls *t)
{
	int err = pair_certificate_make(&t->files);

	for (int i = 0; i < ENDPOINT_TLS_MAX && !err; i++)
		err = endpoint_tls_one(t, INLAY_SERVER, i) || endpoint_tls_one(t, INLAY_CLIENT, i);
	return err;
}

static inline void endpoint_tls_remove(struct endpoint_tls *t)
{
	for (int i = 0; i < ENDPOINT_TLS_MAX; i++) {
		inlay_tls_free(t->server[i]);
		inlay_tls_free(t->client[i]);
	}
	pair_certificate_remove(&t->files);
}

/* The tests' own, made once for a group of them. */
static struct endpoint_tls tls;

static inline int endpoint_tls_set_up(void **state)
{
	return endpoint_tls_make(&tls);
}

static inline int endpoint_tls_tear_down(void **state)
{
	endpoint_tls_remove(&tls);
	return 0;
}

static inline struct inlay_tls *endpoint_tls_server(struct endpoint_tls *t, int cipher)
{
	return t->server[cipher];
}

static inline struct inlay_tls *endpoint_tls_client(struct endpoint_tls *t, int cipher)
{
	return t->client[cipher];
}

static inline void endpoint_tls_peer(const struct endpoint_tls *t, struct inlay_peer_config *config,
				     bool server)
{
	config->role = server ? INLAY_SERVER : INLAY_CLIENT;
	config->server_name = server ? NULL : "localhost";
	config->ca_file = server ? NULL : t->files.cert;
	config->cert_file = server ? t->files.cert : NULL;
	config->key_file = server ? t->files.key : NULL;
}

/* A server for four connections; |config| is set here. */
static inline struct node *endpoint_tls_add_server(struct endpoint_tls *t, struct world *w,
						   struct inlay_endpoint_config *config)
{
	inlay_endpoint_config_init(config);
	config->tls = endpoint_tls_server(t, 0);
	return world_add_endpoint(w, OURS, config, 4);
}

/* A client of it on libngtcp2. */
static inline struct node *endpoint_tls_add_client(const struct endpoint_tls *t, struct world *w,
						   __u16 port, struct app app)
{
	struct inlay_peer_config peer = {0};

	endpoint_tls_peer(t, &peer, false);
	return world_add_peer(w, port, OURS, peer, app);
}

#endif

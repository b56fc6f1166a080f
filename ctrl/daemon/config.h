/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's configuration: a YAML file, loaded through libcyaml, checked, with a default for
 * every option. An error is one line that names file, line and key.
 */
#ifndef INLAY_DAEMON_CONFIG_H
#define INLAY_DAEMON_CONFIG_H

#include "address.h"
#include "config_options.h"
#include "conn.h"
#include "log.h"
#include "provider_local.h"

#define INLAY_ALPN "moqt-18" /* the one that the relay speaks */

enum inlay_backend_choice {
	INLAY_BACKEND_AUTO = 0,
	INLAY_BACKEND_LIBCRYPTO,
	INLAY_BACKEND_IPSEC_MB,
};

enum inlay_retry_mode {
	INLAY_RETRY_OFF = 0,
	INLAY_RETRY_ON,
	INLAY_RETRY_LOAD, /* when more than |retry_above| handshakes are in flight, or begin in a
			     second */
};

enum inlay_policy_choice {
	INLAY_POLICY_FAIR = 0,
	INLAY_POLICY_LIVE,
};

/* Where media is forwarded. */
enum inlay_placement_choice {
	INLAY_PLACEMENT_AUTO = 0, /* the fastest that there is: `user` */
	INLAY_PLACEMENT_USER,	  /* by the data thread */
	INLAY_PLACEMENT_CONVENTIONAL,
};

enum inlay_qlog_choice {
	INLAY_QLOG_NONE = 0,
	INLAY_QLOG_ALL,
};

/* Of the sockets: gso, gro. */
enum inlay_offload_choice {
	INLAY_OFFLOAD_AUTO = 0, /* where the kernel can */
	INLAY_OFFLOAD_OFF,
};

/* Flat, without pointers: copied by assignment. */
struct inlay_config {
#define NUMBER(name, ...) __s64 name;
#define TEXT(name, ...)	  char name[INLAY_CONFIG_TEXT];
#define CHOICE(name, ...) __u32 name;
	INLAY_OPTIONS_TOP_TEXT(TEXT)
	INLAY_OPTIONS_TOP_CHOICE(CHOICE)
	INLAY_OPTIONS_TOP_NUMBER(NUMBER)
	struct {
		INLAY_OPTIONS_LIMITS(NUMBER)
	} limits;
	struct {
		INLAY_OPTIONS_CACHE(NUMBER)
	} cache;
	struct {
		INLAY_OPTIONS_RELAY(NUMBER)
	} relay;
	struct {
		INLAY_OPTIONS_ORIGIN_TEXT(TEXT)
		INLAY_OPTIONS_ORIGIN_CHOICE(CHOICE)
		INLAY_OPTIONS_ORIGIN_NUMBER(NUMBER)
	} origin;
	struct {
		INLAY_OPTIONS_QLOG_TEXT(TEXT)
		INLAY_OPTIONS_QLOG_CHOICE(CHOICE)
		INLAY_OPTIONS_QLOG_NUMBER(NUMBER)
	} qlog;
#undef NUMBER
#undef TEXT
#undef CHOICE

	struct inlay_addr listen[INLAY_CONFIG_LIST];
	__u32 n_listen;
	enum inlay_cipher ciphers[3]; /* in order of preference */
	__u32 n_ciphers;
	char alpn[INLAY_CONFIG_LIST][32];
	__u32 n_alpn;
};

#define INLAY_CONFIG_ERROR 640 /* room for any error line */

void inlay_config_default(struct inlay_config *ret_config);
/* |name| stands for the file in errors. 0; -EINVAL; -ENOMEM: |err| holds a line. */
int inlay_config_parse(const char *name, const char *text, size_t len,
		       struct inlay_config *ret_config, char err[INLAY_CONFIG_ERROR]);
/* Also what open() and read() say. */
int inlay_config_load(const char *file, struct inlay_config *ret_config,
		      char err[INLAY_CONFIG_ERROR]);
/* The whole configuration as YAML, as it would be loaded; to be freed. NULL: no memory. */
char *inlay_config_print(const struct inlay_config *config);

/* What the crypto provider is made with; points into constants. */
struct inlay_provider_local_config inlay_config_provider(const struct inlay_config *config);

/* Where the control socket is unless configured otherwise: /run/inlayd.sock for root, else in
 * $XDG_RUNTIME_DIR, else in /tmp with the user's number. */
void inlay_config_default_socket(char ret_path[INLAY_CONFIG_TEXT]);

#endif

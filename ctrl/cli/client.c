/* SPDX-License-Identifier: BSD-2-Clause */
/* The common part of inlay-pub and inlay-sub. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/crypto.h>

#include "client.h"

#define MAX_ADDRESSES 8
#define IDLE_TIMEOUT  (10 * INLAY_S)
#define KEEP_ALIVE    (3 * INLAY_S)
/* RFC 9001 section 4.8 and RFC 8446 section 6: no_application_protocol */
#define ALERT_NO_ALPN (0x100 + 120)

void inlay_client_say(const struct inlay_client *c, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", c->program);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

/* ---- options ---- */

static int refuse_track(const struct inlay_client *c, const char *text, const char *form)
{
	inlay_client_say(c, "'%s' is no track name: write %s, as demo-clock--video%s", text, form,
			 strchr(form, '=') ? "=2M" : "");
	return INLAY_EXIT_USAGE;
}

static int add_rendition(struct inlay_client *c, const char *text)
{
	if (c->n_renditions == INLAY_CLIENT_RENDITIONS) {
		inlay_client_say(c, "no more than %d renditions", INLAY_CLIENT_RENDITIONS);
		return INLAY_EXIT_USAGE;
	}
	if (inlay_rendition_parse(text, true, &c->renditions[c->n_renditions]))
		return refuse_track(c, text, "NAMESPACE--NAME=VALUE");
	c->n_renditions++;
	return -1;
}

bool inlay_client_option(struct inlay_client *c, int option, const char *arg, const char *usage,
			 int *ret_exit)
{
	*ret_exit = -1;
	switch (option) {
	case INLAY_OPT_CA:
		c->ca = arg;
		return true;
	case INLAY_OPT_INSECURE:
		c->insecure = true;
		return true;
	case INLAY_OPT_TRACK:
		c->track_text = arg;
		return true;
	case INLAY_OPT_RENDITION:
		*ret_exit = add_rendition(c, arg);
		return true;
	case INLAY_OPT_HELP:
		fputs(usage, stdout);
		*ret_exit = INLAY_EXIT_DONE;
		return true;
	case INLAY_OPT_VERSION:
		printf("%s %s\n", c->program, INLAY_VERSION);
		*ret_exit = INLAY_EXIT_DONE;
		return true;
	default:
		return false;
	}
}

int inlay_client_refuse_option(const struct inlay_client *c, int option, const char *word)
{
	inlay_client_say(c, "'%s' %s; try --help", word,
			 option == ':' ? "wants a value" : "is no option");
	return INLAY_EXIT_USAGE;
}

bool inlay_client_number(struct inlay_client *c, const char *option, const char *arg, double min,
			 double max, double *ret)
{
	char *end;
	double value = strtod(arg, &end);

	if (!*arg || *end || !(value >= min && value <= max)) {
		inlay_client_say(c, "--%s wants a number from %.10g to %.10g, not '%s'", option,
				 min, max, arg);
		return false;
	}
	*ret = value;
	return true;
}

static int prepare_tracks(struct inlay_client *c)
{
	unsigned int i, k;

	if (c->track_text && c->n_renditions) {
		inlay_client_say(c, "either --track or --rendition, not both");
		return INLAY_EXIT_USAGE;
	}
	if (c->track_text) {
		if (inlay_rendition_parse(c->track_text, false, &c->renditions[0]))
			return refuse_track(c, c->track_text, "NAMESPACE--NAME");
		c->n_renditions = 1;
	}
	c->track_text = c->renditions[0].track;
	for (i = 1; i < c->n_renditions; i++)
		for (k = 0; k < i; k++)
			if (inlay_moq_name_equal(&c->renditions[i].name, &c->renditions[k].name)) {
				inlay_client_say(c, "two renditions are both %s",
						 c->renditions[i].track);
				return INLAY_EXIT_USAGE;
			}
	return 0;
}

int inlay_client_prepare(struct inlay_client *c)
{
	const char *why;

	if (!c->uri_text || (!c->track_text && !c->n_renditions)) {
		inlay_client_say(c, "%s is missing; try --help",
				 c->uri_text ? "--track NAME" : "the URI of the relay");
		return INLAY_EXIT_USAGE;
	}
	if (inlay_uri_parse(c->uri_text, &c->uri, &why)) {
		inlay_client_say(c, "'%s' is no address of a relay: %s; write moqt://host:port/",
				 c->uri_text, why);
		return INLAY_EXIT_USAGE;
	}
	return prepare_tracks(c);
}

/* ---- files ---- */

FILE *inlay_client_open(const struct inlay_client *c, const char *path)
{
	FILE *file = strcmp(path, "-") ? fopen(path, "we") : stdout;

	if (!file)
		inlay_client_say(c, "cannot write %s: %s", path, strerror(errno));
	return file;
}

bool inlay_client_close(const struct inlay_client *c, FILE *file, const char *path)
{
	bool bad;

	if (!file)
		return true;
	bad = fflush(file) || ferror(file);
	if (file != stdout)
		bad |= fclose(file) != 0;
	if (bad)
		inlay_client_say(c, "cannot write all of %s: %s", path, strerror(errno));
	return !bad;
}

void inlay_client_hash(FILE *file, __u64 group, __u64 object, const __u8 *data, size_t len)
{
	__u8 digest[32];
	size_t i;

	if (!file || gnutls_hash_fast(GNUTLS_DIG_SHA256, data, len, digest) < 0)
		return;
	fprintf(file, "%llu %llu %zu ", (unsigned long long)group, (unsigned long long)object, len);
	for (i = 0; i < sizeof(digest); i++)
		fprintf(file, "%02x", digest[i]);
	fputc('\n', file);
	/* Whoever compares may kill us at any time. */
	fflush(file);
}

/* ---- running ---- */

static void on_round(void *user, inlay_ns now)
{
	struct inlay_client *c = user;

	c->connected |= inlay_peer_is_connected(c->link.peer);
	inlay_link_on_timer(&c->link, now);
	if (c->connected)
		c->ops->on_round(c->user, now);
}

static inlay_ns deadline(void *user)
{
	struct inlay_client *c = user;
	inlay_ns at = inlay_link_deadline(&c->link);
	inlay_ns other = c->connected ? c->ops->deadline(c->user) : INLAY_NEVER;

	return at < other ? at : other;
}

static void on_interrupt(void *user)
{
	struct inlay_client *c = user;

	if (c->connected)
		c->ops->on_interrupt(c->user);
	else
		inlay_driver_stop(c->driver);
}

static const struct inlay_driver_ops driver_ops = {
	.on_round = on_round,
	.deadline = deadline,
	.on_interrupt = on_interrupt,
};

static int start(struct inlay_client *c, const struct inlay_addr *remote)
{
	struct inlay_peer_config peer = {
		.role = INLAY_CLIENT,
		.server_name = c->uri.host,
		.ca_file = c->ca,
		.insecure = c->insecure,
		.params = c->params,
		.keep_alive = KEEP_ALIVE,
		.max_stream_buffer = 32 << 20,
	};
	struct inlay_moq_session_config session = {
		.ops = c->ops->session,
		.user = c->session_user,
		.path = c->uri.path,
		.authority = c->uri.authority,
		.implementation = "inlay " INLAY_VERSION,
	};
	int rv;

	peer.params.max_idle_timeout = IDLE_TIMEOUT;
	rv = inlay_driver_connect(c->driver, remote, &peer.path);
	if (rv)
		return rv;
	rv = inlay_link_init(&c->link, &peer, &session, inlay_driver_now());
	if (rv)
		return rv;
	inlay_driver_set_peer(c->driver, c->link.peer);
	c->ops->set_session(c->session_user, c->link.session);
	return 0;
}

static int explain_start(const struct inlay_client *c, int rv)
{
	if (rv == -ENOENT && c->ca)
		inlay_client_say(c, "cannot read certificates from %s", c->ca);
	else
		inlay_client_say(c, "cannot connect to %s: %s", c->uri.authority, strerror(-rv));
	return rv == -ENOENT ? INLAY_EXIT_USAGE : INLAY_EXIT_FAILED;
}

static int explain_close(const struct inlay_client *c, const struct inlay_close_reason *why)
{
	const char *refused = inlay_peer_certificate_error(c->link.peer);
	const char *at = c->uri.authority;

	if (refused)
		inlay_client_say(c,
				 "the certificate of %s is refused: %s "
				 "Name its issuer by --ca FILE, or take any by --insecure.",
				 at, refused);
	else if (!c->connected && why->code == ALERT_NO_ALPN)
		inlay_client_say(c, "%s does not speak MoQ draft 18 (moqt-18)", at);
	else if (!c->connected && why->idle)
		inlay_client_say(c, "no answer from %s: check host and port, and that UDP may pass",
				 at);
	else if (!c->connected)
		inlay_client_say(c, "no connection to %s: QUIC error 0x%llx %s", at,
				 (unsigned long long)why->code, why->text);
	else if (why->idle || why->reset)
		inlay_client_say(c, "%s is gone: %s", at,
				 why->reset ? "it does not know the connection any more"
					    : "it fell silent");
	else if (why->application && why->by_peer)
		inlay_client_say(c, "%s closed the session: %s%s%s", at,
				 inlay_moq_session_error_text(why->code), why->text[0] ? ": " : "",
				 why->text);
	else if (why->application && why->code == INLAY_MOQ_SESSION_NO_ERROR)
		return INLAY_EXIT_DONE;
	else
		inlay_client_say(c, "the connection to %s ended: %s 0x%llx %s", at,
				 why->by_peer ? "its error" : "our error",
				 (unsigned long long)why->code, why->text);
	return INLAY_EXIT_FAILED;
}

static int explain_end(const struct inlay_client *c, int rv)
{
	const struct inlay_close_reason *why = inlay_peer_close_reason(c->link.peer);

	if (inlay_driver_interrupted(c->driver))
		return INLAY_EXIT_DONE;
	if (rv == -ECONNREFUSED)
		inlay_client_say(c, "nobody listens at %s: start inlayd, or check host and port",
				 c->uri.authority);
	else if (rv)
		inlay_client_say(c, "cannot reach %s: %s", c->uri.authority, strerror(-rv));
	else if (why)
		return explain_close(c, why);
	return rv ? INLAY_EXIT_FAILED : INLAY_EXIT_DONE;
}

int inlay_client_run(struct inlay_client *c)
{
	struct inlay_addr addrs[MAX_ADDRESSES];
	const char *why;
	int n, i, rv;

	n = inlay_uri_resolve(&c->uri, addrs, MAX_ADDRESSES, &why);
	if (n < 0) {
		inlay_client_say(c, "cannot find %s: %s", c->uri.host, why);
		return INLAY_EXIT_FAILED;
	}
	rv = inlay_driver_new(&driver_ops, c, &c->driver);
	if (rv)
		return explain_start(c, rv);
	for (i = 0; i < n; i++) {
		inlay_link_fini(&c->link);
		rv = start(c, &addrs[i]);
		if (rv && i + 1 < n && rv != -ENOENT)
			continue;
		if (rv)
			return explain_start(c, rv);
		rv = inlay_driver_run(c->driver);
		/* A host can have addresses that nobody serves. */
		if (c->connected || inlay_driver_interrupted(c->driver) ||
		    inlay_peer_certificate_error(c->link.peer))
			break;
	}
	return explain_end(c, rv);
}

void inlay_client_fini(struct inlay_client *c)
{
	unsigned int i;

	inlay_link_fini(&c->link);
	inlay_driver_free(c->driver);
	c->driver = NULL;
	for (i = 0; i < INLAY_CLIENT_RENDITIONS; i++)
		inlay_rendition_fini(&c->renditions[i]);
	c->n_renditions = 0;
}

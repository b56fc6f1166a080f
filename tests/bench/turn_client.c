/* SPDX-License-Identifier: BSD-2-Clause */
#include "turn_client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "inlay_stun.h"
#include "inlay_writer.h"

/* RFC 8489 section 18.3. */
#define USERNAME 0x0006
#define REALM	 0x0014
#define NONCE	 0x0015

#define SHA1_LEN     20
#define NONCE_MOST   128
#define MESSAGE_MOST 1024
#define UDP	     17
#define WAIT_MS	     100
#define TRIES	     50

struct client {
	int fd;
	__u8 id[INLAY_STUN_ID];
	__u8 nonce[NONCE_MOST];
	size_t nonce_len;
	/* The answer. */
	__u8 data[MESSAGE_MOST];
	struct inlay_stun_message message;
};

/* --- Writing ---------------------------------------------------------------------------------- */

static void put_attribute(struct inlay_writer *w, __u16 type, const void *value, size_t len)
{
	inlay_writer_be16(w, type);
	inlay_writer_be16(w, (__u16)len);
	inlay_writer_bytes(w, value, len);
	inlay_writer_zeros(w, -len & 3);
}

static void put_peer(struct inlay_writer *w, const struct inlay_addr *peer)
{
	/* RFC 8489 section 14.2: IPv4, under the cookie. */
	__u8 value[8] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42};
	__u8 port[2];

	memcpy(port, &peer->port, sizeof(port));
	value[2] = port[0] ^ value[4];
	value[3] = port[1] ^ value[5];
	for (size_t i = 0; i < 4; i++)
		value[4 + i] ^= peer->ip[i];
	put_attribute(w, INLAY_STUN_XOR_PEER_ADDRESS, value, sizeof(value));
}

/* RFC 8489 section 9.2.2: the key of long-term credentials. */
static void seal(struct inlay_writer *w, __u8 *message)
{
	static const char secret[] =
		TURN_CLIENT_USER ":" TURN_CLIENT_REALM ":" TURN_CLIENT_PASSWORD;
	__u8 key[EVP_MAX_MD_SIZE], sum[EVP_MAX_MD_SIZE];
	unsigned int key_len, sum_len;

	/* Its length counts this attribute, too, when it is summed up (section 14.5). */
	inlay_net_set16(message + 2,
			(__u16)(inlay_writer_len(w) + 4 + SHA1_LEN - INLAY_STUN_HEADER_LEN));
	EVP_Digest(secret, strlen(secret), key, &key_len, EVP_md5(), NULL);
	HMAC(EVP_sha1(), key, (int)key_len, message, inlay_writer_len(w), sum, &sum_len);
	put_attribute(w, INLAY_STUN_MESSAGE_INTEGRITY, sum, SHA1_LEN);
}

static void put_credentials(struct inlay_writer *w, const struct client *c)
{
	put_attribute(w, USERNAME, TURN_CLIENT_USER, strlen(TURN_CLIENT_USER));
	put_attribute(w, REALM, TURN_CLIENT_REALM, strlen(TURN_CLIENT_REALM));
	put_attribute(w, NONCE, c->nonce, c->nonce_len);
}

/* Channel number and peer, or (Allocate) the transport. */
static void put_arguments(struct inlay_writer *w, enum inlay_stun_method method,
			  const struct inlay_addr *peer, __u16 channel)
{
	__u8 number[4] = {(__u8)(channel >> 8), (__u8)channel};
	__u8 transport[4] = {UDP};

	if (method == INLAY_STUN_ALLOCATE) {
		put_attribute(w, INLAY_STUN_REQUESTED_TRANSPORT, transport, sizeof(transport));
		return;
	}
	put_attribute(w, INLAY_STUN_CHANNEL_NUMBER, number, sizeof(number));
	put_peer(w, peer);
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* Of an attribute that only clients look at. */
static bool find_attribute(struct inlay_cursor c, __u16 wanted, struct inlay_cursor *ret)
{
	struct inlay_stun_header ignored;
	__u16 type, len;

	if (!inlay_stun_header_parse(&c, &ignored))
		return false;
	while (inlay_cursor_be16(&c, &type) && inlay_cursor_be16(&c, &len) &&
	       inlay_cursor_take(&c, len, ret)) {
		if (type == wanted)
			return true;
		inlay_cursor_skip(&c, -len & 3);
	}
	return false;
}

static bool is_answer(struct client *c, size_t len)
{
	struct inlay_cursor cursor = inlay_cursor_of(c->data, len), nonce;

	if (inlay_stun_parse(cursor, &c->message) != INLAY_STUN_OK ||
	    memcmp(c->message.header.id, c->id, sizeof(c->id)))
		return false;
	if (find_attribute(cursor, NONCE, &nonce) && inlay_cursor_left(&nonce) <= NONCE_MOST) {
		c->nonce_len = inlay_cursor_left(&nonce);
		inlay_cursor_copy(&nonce, c->nonce, c->nonce_len);
	}
	return c->message.header.class == INLAY_STUN_SUCCESS ||
	       c->message.header.class == INLAY_STUN_ERROR;
}

/* --- Transactions ----------------------------------------------------------------------------- */

/* The server may be starting still: what it refuses (ICMP) is sent again, too. */
static int exchange(struct client *c, const __u8 *request, size_t len)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};

	for (int i = 0; i < TRIES; i++) {
		ssize_t n = send(c->fd, request, len, 0);

		if (n < 0) {
			poll(NULL, 0, WAIT_MS);
			continue;
		}
		while (poll(&p, 1, WAIT_MS) > 0) {
			n = recv(c->fd, c->data, sizeof(c->data), MSG_DONTWAIT);
			if (n < 0)
				break;
			if (is_answer(c, (size_t)n))
				return 0;
		}
	}
	fprintf(stderr, "bench: the TURN server does not answer\n");
	return -ETIMEDOUT;
}

static int request(struct client *c, enum inlay_stun_method method, const struct inlay_addr *peer,
		   __u16 channel)
{
	__u8 message[MESSAGE_MOST];
	struct inlay_writer w = inlay_writer_of(message, sizeof(message));

	if (getrandom(c->id, sizeof(c->id), 0) != sizeof(c->id))
		return -EIO;
	inlay_writer_be16(&w, (__u16)method); /* below 16: the class is all zeros between */
	inlay_writer_be16(&w, 0);
	inlay_writer_be32(&w, INLAY_STUN_COOKIE);
	inlay_writer_bytes(&w, c->id, sizeof(c->id));
	put_arguments(&w, method, peer, channel);
	if (c->nonce_len) {
		put_credentials(&w, c);
		seal(&w, message);
	} else {
		inlay_net_set16(message + 2, (__u16)(inlay_writer_len(&w) - INLAY_STUN_HEADER_LEN));
	}
	return exchange(c, message, inlay_writer_len(&w));
}

static int require_success(const struct client *c, const char *what)
{
	if (c->message.header.class == INLAY_STUN_SUCCESS)
		return 0;
	fprintf(stderr, "bench: the TURN server answers %u to %s\n", c->message.error, what);
	return -EPROTO;
}

int turn_client_bind(int fd, const struct inlay_addr *peer, __u16 channel,
		     struct inlay_addr *ret_relayed)
{
	struct client c = {.fd = fd};
	int ret = request(&c, INLAY_STUN_ALLOCATE, NULL, 0);

	/* RFC 8489 section 9.2.1: the first answer brings the nonce. */
	if (!ret && c.message.header.class == INLAY_STUN_ERROR)
		ret = request(&c, INLAY_STUN_ALLOCATE, NULL, 0);
	if (!ret)
		ret = require_success(&c, "Allocate");
	if (!ret && c.message.n_relayed != 1)
		ret = -EPROTO;
	if (ret)
		return ret;
	*ret_relayed = c.message.relayed[0];
	ret = request(&c, INLAY_STUN_CHANNEL_BIND, peer, channel);
	return ret ? ret : require_success(&c, "ChannelBind");
}

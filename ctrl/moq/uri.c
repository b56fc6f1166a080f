/* SPDX-License-Identifier: BSD-2-Clause */
/* moqt URIs: host, port and path, and the addresses behind a host. */
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "uri.h"

#define SCHEME	     "moqt://"
#define DEFAULT_PORT 443

static int refuse(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EINVAL;
}

static bool copy_part(char *dst, size_t room, const char *from, size_t len)
{
	if (len >= room)
		return false;
	memcpy(dst, from, len);
	dst[len] = 0;
	return true;
}

/* |text| is what follows the colon, |len| bytes; empty: the default (RFC 3986 section 3.2.3). */
static bool parse_port(const char *text, size_t len, __u16 *ret)
{
	unsigned long port = 0;
	size_t i;

	*ret = DEFAULT_PORT;
	for (i = 0; i < len; i++) {
		if (!isdigit((unsigned char)text[i]))
			return false;
		port = port * 10 + (unsigned long)(text[i] - '0');
		if (port > 65535)
			return false;
	}
	if (len)
		*ret = (__u16)port;
	return !len || port;
}

int inlay_uri_parse(const char *text, struct inlay_uri *ret, const char **ret_why)
{
	const char *at = text + strlen(SCHEME), *end, *host_end, *colon;
	struct inlay_uri uri = {0};
	size_t i;

	if (strncasecmp(text, SCHEME, strlen(SCHEME)))
		return refuse(ret_why, "it does not begin with moqt://");
	end = at + strcspn(at, "/?#");
	if (memchr(at, '@', (size_t)(end - at)))
		return refuse(ret_why, "it names a user");
	if (*at == '[') {
		host_end = memchr(at, ']', (size_t)(end - at));
		if (!host_end || (host_end + 1 != end && host_end[1] != ':'))
			return refuse(ret_why, "the brackets around the address do not match");
		colon = host_end + 1;
		i = 1;
	} else {
		colon = memchr(at, ':', (size_t)(end - at));
		colon = colon ? colon : end;
		host_end = colon;
		i = 0;
	}
	if (host_end <= at + i)
		return refuse(ret_why, "it names no host");
	if (!copy_part(uri.host, sizeof(uri.host), at + i, (size_t)(host_end - at) - i) ||
	    !copy_part(uri.authority, sizeof(uri.authority), at, (size_t)(end - at)))
		return refuse(ret_why, "the host is too long");
	if (colon < end && !parse_port(colon + 1, (size_t)(end - colon) - 1, &uri.port))
		return refuse(ret_why, "the port is not a number from 1 to 65535");
	if (colon >= end)
		uri.port = DEFAULT_PORT;
	/* The fragment stays here (section 3.1.2). */
	if (!copy_part(uri.path, sizeof(uri.path), end, strcspn(end, "#")))
		return refuse(ret_why, "the path is too long");
	for (i = 0; uri.path[i]; i++)
		if (!isgraph((unsigned char)uri.path[i]))
			return refuse(ret_why, "the path has blanks or control characters");
	*ret = uri;
	return 0;
}

int inlay_uri_resolve(const struct inlay_uri *uri, struct inlay_addr *addrs, int n,
		      const char **ret_why)
{
	struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV}, *list, *at;
	char port[8];
	int rv, used = 0;

	snprintf(port, sizeof(port), "%u", uri->port);
	rv = getaddrinfo(uri->host, port, &hints, &list);
	if (rv) {
		*ret_why = gai_strerror(rv);
		return -EADDRNOTAVAIL;
	}
	for (at = list; at && used < n; at = at->ai_next)
		if (inlay_addr_from_sockaddr(at->ai_addr, &addrs[used]))
			used++;
	freeaddrinfo(list);
	*ret_why = "it has no IPv4 or IPv6 address";
	return used ? used : -EADDRNOTAVAIL;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Between struct inlay_addr and the socket interface's addresses. */
#ifndef INLAY_DATAPLANE_ADDR_H
#define INLAY_DATAPLANE_ADDR_H

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "inlay_types.h"

/* Length of what was written into |ret|; 0: |addr| is none. */
static inline socklen_t inlay_addr_to_sockaddr(const struct inlay_addr *addr,
					       struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof(*ret));
	switch (addr->family) {
	case AF_INET:
		v4->sin_family = AF_INET;
		v4->sin_port = addr->port;
		memcpy(&v4->sin_addr, addr->ip, sizeof(v4->sin_addr));
		return sizeof(*v4);
	case AF_INET6:
		v6->sin6_family = AF_INET6;
		v6->sin6_port = addr->port;
		v6->sin6_scope_id = addr->scope_id;
		memcpy(&v6->sin6_addr, addr->ip, sizeof(v6->sin6_addr));
		return sizeof(*v6);
	default:
		return 0;
	}
}

/* False, and |ret| none: neither IPv4 nor IPv6. */
static inline bool inlay_addr_from_sockaddr(const struct sockaddr *sa, struct inlay_addr *ret)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;

	memset(ret, 0, sizeof(*ret));
	switch (sa->sa_family) {
	case AF_INET:
		ret->family = AF_INET;
		ret->port = v4->sin_port;
		memcpy(ret->ip, &v4->sin_addr, sizeof(v4->sin_addr));
		return true;
	case AF_INET6:
		ret->family = AF_INET6;
		ret->port = v6->sin6_port;
		ret->scope_id = v6->sin6_scope_id;
		memcpy(ret->ip, &v6->sin6_addr, sizeof(v6->sin6_addr));
		return true;
	default:
		return false;
	}
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parse_port(const char *text, __be16 *ret_port)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long value;

	if (!digits || digits > 5 || text[digits])
		return -EINVAL;
	value = strtoul(text, NULL, 10);
	if (value > 65535)
		return -EINVAL;
	*ret_port = htons((__u16)value);
	return 0;
}

int inlay_address_parse(const char *text, struct inlay_addr *ret_addr)
{
	struct inlay_addr addr = {.family = *text == '[' ? AF_INET6 : AF_INET};
	const char *colon = strrchr(text, ':');
	char ip[INLAY_ADDRESS_TEXT];
	size_t len;
	int ret;

	if (!colon)
		return -EINVAL;
	len = (size_t)(colon - text);
	if (addr.family == AF_INET6) {
		if (len < 3 || colon[-1] != ']')
			return -EINVAL;
		text++;
		len -= 2;
	}
	if (len >= sizeof(ip))
		return -EINVAL;
	memcpy(ip, text, len);
	ip[len] = '\0';
	if (inet_pton(addr.family, ip, addr.ip) != 1)
		return -EINVAL;
	ret = parse_port(colon + 1, &addr.port);
	if (ret)
		return ret;
	*ret_addr = addr;
	return 0;
}

int inlay_address_parse_range(const char *text, struct inlay_addr *ret_addr, __u8 *ret_prefix_len)
{
	struct inlay_addr addr = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};
	unsigned long most = addr.family == AF_INET6 ? 128 : 32, len = most;
	size_t n = strcspn(text, "/");
	char ip[INLAY_ADDRESS_TEXT];

	if (n >= sizeof(ip))
		return -EINVAL;
	memcpy(ip, text, n);
	ip[n] = '\0';
	if (inet_pton(addr.family, ip, addr.ip) != 1)
		return -EINVAL;
	if (text[n]) {
		text += n + 1;
		n = strspn(text, "0123456789");
		if (!n || n > 3 || text[n])
			return -EINVAL;
		len = strtoul(text, NULL, 10);
		if (len > most)
			return -EINVAL;
	}
	for (unsigned long bit = len; bit < most; bit++)
		addr.ip[bit / 8] &= (__u8) ~(0x80 >> bit % 8);
	*ret_addr = addr;
	*ret_prefix_len = (__u8)len;
	return 0;
}

void inlay_address_format(const struct inlay_addr *addr, char ret_text[INLAY_ADDRESS_TEXT])
{
	char ip[INET6_ADDRSTRLEN] = "?";

	inet_ntop(addr->family, addr->ip, ip, sizeof(ip));
	snprintf(ret_text, INLAY_ADDRESS_TEXT, addr->family == AF_INET6 ? "[%s]:%u" : "%s:%u", ip,
		 ntohs(addr->port));
}

bool inlay_address_is_loopback(const struct inlay_addr *addr)
{
	static const __u8 one[16] = {[15] = 1};

	if (addr->family == AF_INET)
		return addr->ip[0] == 127;
	return addr->family == AF_INET6 && !memcmp(addr->ip, one, sizeof(one));
}

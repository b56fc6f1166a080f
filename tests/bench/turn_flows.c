/* SPDX-License-Identifier: BSD-2-Clause */
#include "turn_flows.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "addr.h"
#include "turn_client.h"

#define FIRST_CLIENT 10000 /* ports */
#define FIRST_PEER   20000

static const __u16 first_port[TURN_SIDES] = {FIRST_CLIENT, FIRST_PEER};

static struct inlay_addr with_port(const struct inlay_addr *addr, __u16 port)
{
	struct inlay_addr a = *addr;

	a.port = htons(port);
	return a;
}

static int open_socket(const struct inlay_addr *own)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;
	struct sockaddr_storage name;
	socklen_t len = inlay_addr_to_sockaddr(own, &name);

	if (fd >= 0 && !bind(fd, (struct sockaddr *)&name, len))
		return fd;
	err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

static int connect_to(int fd, const struct inlay_addr *to)
{
	struct sockaddr_storage name;
	socklen_t len = inlay_addr_to_sockaddr(to, &name);

	return connect(fd, (struct sockaddr *)&name, len) ? -errno : 0;
}

static int open_sockets(struct turn_flows *f, const struct turn_net *net, enum turn_side side)
{
	int ret = turn_net_enter(net, side), err;

	for (unsigned int i = 0; i < f->n && !ret; i++) {
		struct turn_flow *flow = &f->flows[i];

		flow->addrs[side] = with_port(&net->net.peer[side], (__u16)(first_port[side] + i));
		flow->fds[side] = open_socket(&flow->addrs[side]);
		if (flow->fds[side] < 0)
			ret = flow->fds[side];
	}
	err = turn_net_leave(net);
	return ret ? ret : err;
}

static int join(struct turn_flow *flow, const struct inlay_addr *server)
{
	int ret;

	flow->relay[TURN_CLIENT] = server ? *server : flow->addrs[TURN_PEER];
	flow->relay[TURN_PEER] = flow->addrs[TURN_CLIENT];
	ret = connect_to(flow->fds[TURN_CLIENT], &flow->relay[TURN_CLIENT]);
	if (!ret && server) {
		flow->channel = INLAY_TURN_CHANNEL_MIN;
		ret = turn_client_bind(flow->fds[TURN_CLIENT], &flow->addrs[TURN_PEER],
				       flow->channel, &flow->relay[TURN_PEER]);
	}
	return ret ? ret : connect_to(flow->fds[TURN_PEER], &flow->relay[TURN_PEER]);
}

int turn_flows_open(struct turn_flows *f, unsigned int n, const struct turn_net *net,
		    const struct inlay_addr *server)
{
	int ret = 0;

	*f = (struct turn_flows){.flows = calloc(n, sizeof(*f->flows)), .n = n};
	if (!f->flows)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++)
		f->flows[i].fds[TURN_CLIENT] = f->flows[i].fds[TURN_PEER] = -1;
	for (int i = 0; i < TURN_SIDES && !ret; i++)
		ret = open_sockets(f, net, (enum turn_side)i);
	for (unsigned int i = 0; i < n && !ret; i++)
		ret = join(&f->flows[i], server);
	if (ret)
		fprintf(stderr, "bench: flows: %s\n", strerror(-ret));
	return ret;
}

void turn_flows_free(struct turn_flows *f)
{
	for (unsigned int i = 0; f->flows && i < f->n; i++)
		for (int side = 0; side < TURN_SIDES; side++)
			if (f->flows[i].fds[side] >= 0)
				close(f->flows[i].fds[side]);
	free(f->flows);
	*f = (struct turn_flows){0};
}

int turn_flows_load(const struct turn_flows *f, const struct turn_net *net, struct turn_load *load,
		    enum turn_direction direction, __u32 bytes)
{
	enum turn_side from = turn_source(direction), to = turn_sink(direction);
	int ret = turn_net_enter(net, from), err;

	if (ret)
		return ret;
	turn_load_set(load, turn_net_far[from], f->n, bytes);
	for (unsigned int i = 0; i < f->n && !ret; i++) {
		const struct turn_flow *flow = &f->flows[i];
		struct turn_load_path path = {
			.src = flow->addrs[from],
			.dst = flow->relay[from],
			.channel = direction == TURN_TO_PEER ? flow->channel : 0,
		};
		struct turn_load_expected expected = {
			.port = flow->addrs[to].port,
			.channel = direction == TURN_TO_CLIENT ? htons(flow->channel) : 0,
		};

		memcpy(path.src_mac, net->far_mac[from], sizeof(path.src_mac));
		memcpy(path.dst_mac, net->near_mac[from], sizeof(path.dst_mac));
		memcpy(&expected.dst, flow->addrs[to].ip, sizeof(expected.dst));
		ret = turn_load_set_flow(load, i, &path, &expected);
	}
	err = turn_net_leave(net);
	return ret ? ret : err;
}

void turn_flow_send(const struct turn_flow *f, enum turn_direction direction,
		    const struct turn_load_mark *mark, size_t bytes)
{
	static __u8 zeros[INLAY_FRAME_MAX];
	__be16 header[2] = {htons(f->channel), htons((__u16)bytes)};
	bool with_header = direction == TURN_TO_PEER && f->channel;
	struct iovec parts[] = {
		{header, with_header ? sizeof(header) : 0},
		{(void *)(uintptr_t)mark, sizeof(*mark)},
		{zeros, bytes - sizeof(*mark)},
	};

	/* What the kernel does not take counts as lost at the other end. */
	(void)!writev(f->fds[turn_source(direction)], parts, INLAY_ARRAY_SIZE(parts));
}

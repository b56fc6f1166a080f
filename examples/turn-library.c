/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a TURN server does that tells libinlay-turn itself which channels it has bound: one
 * allocation with one channel, relayed in the kernel for ten minutes, and what went fast said each
 * second.
 *
 *   cc turn-library.c $(pkg-config --cflags --libs libinlay-turn)
 *   turn-library CLIENT CPORT SERVER SPORT RELAYED RPORT PEER PPORT    (IPv4, as root)
 */
#include <arpa/inet.h>
#include <inlay_turn.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHANNEL 0x4000

static inlay_ns clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (inlay_ns)ts.tv_sec * INLAY_S + (inlay_ns)ts.tv_nsec;
}

static struct inlay_addr address(char **words)
{
	struct inlay_addr addr = {.family = AF_INET, .port = htons((__u16)atoi(words[1]))};

	if (inet_pton(AF_INET, words[0], addr.ip) != 1) {
		fprintf(stderr, "%s: not an IPv4 address\n", words[0]);
		exit(2);
	}
	return addr;
}

/* A server calls these from where it has just sent its success responses. */
static int grant(struct inlay_turn *turn, char **words, struct inlay_turn_id *ret_id)
{
	inlay_ns now = clock_now();
	struct inlay_addr peer = address(words + 6);
	struct inlay_turn_allocation_params params = {
		.client = address(words),
		.server = address(words + 2),
		.relayed = address(words + 4),
		.until = now + 600 * INLAY_S,
		.max_bytes_per_s = 1000000,
	};
	int err;

	err = inlay_turn_allocation_add(turn, &params, ret_id);
	if (!err)
		err = inlay_turn_permission_set(turn, *ret_id, &peer, now + 300 * INLAY_S);
	if (!err)
		err = inlay_turn_channel_set(turn, *ret_id, CHANNEL, &peer, now + 600 * INLAY_S);
	return err;
}

/* A server has a loop of its own, which waits for the descriptor among others. */
static void serve(struct inlay_turn *turn, struct inlay_turn_id id)
{
	struct pollfd fd = {.fd = inlay_turn_fd(turn), .events = POLLIN};
	struct inlay_turn_channel_info info;
	inlay_ns now = clock_now(), said = now;

	printf("channel 0x%x is relayed\n", CHANNEL);
	while (!inlay_turn_channel_read(turn, id, CHANNEL, &info)) {
		(void)fflush(stdout);
		if (now >= said + INLAY_S) {
			printf("to the peer %llu packets, to the client %llu\n",
			       (unsigned long long)info.stats.to_peer_packets,
			       (unsigned long long)info.stats.to_client_packets);
			said = now;
		}
		(void)poll(&fd, 1, 250);
		now = clock_now();
		inlay_turn_turn(turn, now);
	}
}

int main(int argc, char **argv)
{
	struct inlay_turn_config config = {.mode = INLAY_TURN_RELAY};
	struct inlay_turn_id id;
	struct inlay_turn *turn;
	char error[256];
	int err;

	if (argc != 9) {
		fprintf(stderr, "usage: turn-library CLIENT CPORT SERVER SPORT RELAYED RPORT "
				"PEER PPORT\n");
		return 2;
	}
	config.object = getenv("TURN_OBJECT"); /* where it is not installed */
	if (inlay_turn_open(&config, &turn, error, sizeof(error))) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	err = grant(turn, argv + 1, &id);
	if (err)
		fprintf(stderr, "stays with the server: %s\n", strerror(-err));
	else
		serve(turn, id);
	inlay_turn_close(turn);
	return err != 0;
}

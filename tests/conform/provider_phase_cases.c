/* SPDX-License-Identifier: BSD-2-Clause */
/* Provider cases: key phases as a function of the packet number (RFC 9001 section 6). */
#include <errno.h>

#include "provider_cases_list.h"
#include "provider_env.h"

#define LEN 20
#define N   (HEADER_LEN + LEN + INLAY_TAG)

/* Sealed by the provider with this phase's keys: the same bytes as the reference's. */
static bool seals_with(struct inlay_case_env *env, const struct duplex *d, __u64 pn, int phase)
{
	__u8 packet[ROOM], expected[ROOM];
	size_t n = peer_seal(d, phase, pn, 4, 0, LEN, expected);

	return seal_pattern(env, d, pn, LEN, packet) == INLAY_OK &&
	       memcmp(packet, expected, n) == 0;
}

/* The peer's packet of this phase opens, with these descriptor flags. */
static bool opens_with(struct inlay_case_env *env, const struct duplex *d, __u64 pn, int phase,
		       __u8 flags)
{
	__u8 packet[ROOM];
	size_t n = peer_seal(d, phase, pn, 4, 0, LEN, packet);

	return open_packet(env, d, packet, n) == INLAY_OK && desc_pn(packet, n) == pn &&
	       desc_of(packet, n).flags == flags && has_pattern(packet, HEADER_LEN, LEN, pn);
}

static enum inlay_verdict verdict_of(struct inlay_case_env *env, const struct duplex *d, __u64 pn,
				     int phase)
{
	__u8 packet[ROOM];
	size_t n = peer_seal(d, phase, pn, 4, 0, LEN, packet);

	return open_packet(env, d, packet, n);
}

int case_tx_phase_by_number(struct inlay_case_env *env)
{
	struct duplex d;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	CHECK(seals_with(env, &d, 3, 0));
	CHECK(duplex_next_phase(env, &d, INLAY_TX, 1, 10) == 0);
	CHECK(seals_with(env, &d, 10, 1));
	CHECK(seals_with(env, &d, 9, 0));
	CHECK(seals_with(env, &d, 12, 1));
	CHECK(seals_with(env, &d, 4, 0));
	CHECK(seals_with(env, &d, 11, 1));
	return 0;
}

int case_tx_phase_busy(struct inlay_case_env *env)
{
	struct duplex d;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	CHECK(seals_with(env, &d, 5, 0));
	CHECK(duplex_next_phase(env, &d, INLAY_TX, 1, 5) == -EBUSY);
	CHECK(duplex_next_phase(env, &d, INLAY_TX, 1, 0) == -EBUSY);
	CHECK(duplex_next_phase(env, &d, INLAY_TX, 1, INLAY_PN_MAX + 1) == -EINVAL);
	CHECK(seals_with(env, &d, 6, 0));
	CHECK(duplex_next_phase(env, &d, INLAY_TX, 1, 7) == 0);
	CHECK(seals_with(env, &d, 7, 1));
	return 0;
}

int case_tx_two_updates(struct inlay_case_env *env)
{
	__u8 packet[ROOM];
	struct duplex d;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	CHECK(duplex_next_phase(env, &d, INLAY_TX, 1, 100) == 0);
	CHECK(seals_with(env, &d, 50, 0));
	CHECK(duplex_next_phase(env, &d, INLAY_TX, 2, 200) == -EBUSY);
	CHECK(seals_with(env, &d, 100, 1));
	CHECK(duplex_next_phase(env, &d, INLAY_TX, 2, 200) == 0);
	CHECK(seal_pattern(env, &d, 51, LEN, packet) == INLAY_PN_REPEATED);
	CHECK(seals_with(env, &d, 101, 1));
	CHECK(seals_with(env, &d, 200, 2));
	CHECK(seals_with(env, &d, 102, 1));
	return 0;
}

int case_rx_peer_update(struct inlay_case_env *env)
{
	struct duplex d;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	CHECK(opens_with(env, &d, 1, 0, 0));
	CHECK(opens_with(env, &d, 5, 1, INLAY_DESC_NEXT_PHASE));
	CHECK(opens_with(env, &d, 4, 0, 0));
	CHECK(opens_with(env, &d, 6, 1, INLAY_DESC_NEXT_PHASE));
	CHECK(duplex_next_phase(env, &d, INLAY_RX, 2, 0) == 0);
	CHECK(opens_with(env, &d, 7, 1, 0));
	CHECK(opens_with(env, &d, 9, 2, INLAY_DESC_NEXT_PHASE));
	return 0;
}

int case_rx_old_packets(struct inlay_case_env *env)
{
	struct inlay_provider *p = env->provider;
	struct duplex d;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	CHECK(opens_with(env, &d, 1, 0, 0));
	CHECK(opens_with(env, &d, 10, 1, INLAY_DESC_NEXT_PHASE));
	CHECK(duplex_next_phase(env, &d, INLAY_RX, 2, 0) == 0);
	CHECK(opens_with(env, &d, 9, 0, INLAY_DESC_OLD_PHASE));
	CHECK(opens_with(env, &d, 2, 0, INLAY_DESC_OLD_PHASE));
	/* Above the phase's first number the old keys are not tried: the next ones are. */
	CHECK(verdict_of(env, &d, 11, 0) == INLAY_AUTH_FAILED);
	CHECK(opens_with(env, &d, 20, 2, INLAY_DESC_NEXT_PHASE));
	CHECK(opens_with(env, &d, 8, 0, INLAY_DESC_OLD_PHASE));
	CHECK(p->ops->drop_old_phase(p, d.rx) == 0);
	CHECK(verdict_of(env, &d, 7, 0) == INLAY_AUTH_FAILED);
	CHECK(opens_with(env, &d, 12, 1, 0));
	CHECK(p->ops->drop_old_phase(p, d.rx) == 0);
	CHECK(p->ops->drop_old_phase(p, d.tx) == -EINVAL);
	return 0;
}

int case_rx_two_ahead(struct inlay_case_env *env)
{
	struct duplex d;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	CHECK(opens_with(env, &d, 1, 0, 0));
	CHECK(verdict_of(env, &d, 5, 2) == INLAY_AUTH_FAILED);
	CHECK(verdict_of(env, &d, 6, 3) == INLAY_AUTH_FAILED);
	CHECK(opens_with(env, &d, 7, 1, INLAY_DESC_NEXT_PHASE));
	CHECK(verdict_of(env, &d, 8, 2) == INLAY_AUTH_FAILED);
	return 0;
}

int case_rx_phase_unseen(struct inlay_case_env *env)
{
	struct duplex d;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	CHECK(opens_with(env, &d, 3, 0, 0));
	CHECK(duplex_next_phase(env, &d, INLAY_RX, 2, 0) == 0);
	CHECK(opens_with(env, &d, 4, 0, INLAY_DESC_OLD_PHASE));
	CHECK(opens_with(env, &d, 6, 1, 0));
	CHECK(opens_with(env, &d, 5, 0, INLAY_DESC_OLD_PHASE));
	CHECK(opens_with(env, &d, 7, 2, INLAY_DESC_NEXT_PHASE));
	return 0;
}

int case_rx_without_next(struct inlay_case_env *env)
{
	struct inlay_provider *p = env->provider;
	struct inlay_sa_params params;
	struct inlay_sa_stats stats;
	struct duplex d = {0};

	duplex_params(env, &d, 0, INLAY_RX, &params);
	CHECK(p->ops->sa_add(p, &params, &d.rx) == 0);
	CHECK(opens_with(env, &d, 1, 0, 0));
	CHECK(verdict_of(env, &d, 2, 1) == INLAY_AUTH_FAILED);
	CHECK(p->ops->stats(p, d.rx, &stats) == 0);
	CHECK(stats.auth_failures == 1);
	CHECK(duplex_next_phase(env, &d, INLAY_RX, 1, 0) == 0);
	CHECK(opens_with(env, &d, 3, 1, INLAY_DESC_NEXT_PHASE));
	return 0;
}

int case_many_updates(struct inlay_case_env *env)
{
	struct duplex d;
	__u8 packet[ROOM];
	int phase;
	__u64 pn;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	for (phase = 0; phase < N_SECRETS - 1; phase++) {
		for (pn = 100U * (unsigned int)phase; pn < 100U * (unsigned int)phase + 20; pn++) {
			CHECK(seal_pattern(env, &d, pn, LEN, packet) == INLAY_OK);
			CHECK(open_packet(env, &d, packet, N) == INLAY_OK);
			CHECK(has_pattern(packet, HEADER_LEN, LEN, pn));
			CHECK(!!(packet[0] & 4) == (phase & 1));
			if (pn % 100 == 10 && phase > 0)
				CHECK(duplex_next_phase(env, &d, INLAY_RX, phase + 1, 0) == 0);
		}
		CHECK(duplex_next_phase(env, &d, INLAY_TX, phase + 1,
					100U * (unsigned int)(phase + 1)) == 0);
	}
	return 0;
}

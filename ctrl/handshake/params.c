/* SPDX-License-Identifier: BSD-2-Clause */
/* Transport parameters and connection IDs: ours from ngtcp2's and back. */
#include "handshake_impl.h"

#include <string.h>

_Static_assert(INLAY_CID_MAX == NGTCP2_MAX_CIDLEN, "both are RFC 9000 section 17.2's");
_Static_assert(INLAY_S == NGTCP2_SECONDS, "both count nanoseconds");

void inlay_cid_to_ngtcp2(const struct inlay_cid *cid, ngtcp2_cid *ret)
{
	ngtcp2_cid_init(ret, cid->data, cid->len);
}

void inlay_cid_from_ngtcp2(const ngtcp2_cid *cid, struct inlay_cid *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->len = (__u8)cid->datalen;
	memcpy(ret->data, cid->data, cid->datalen);
}

void inlay_params_to_ngtcp2(const struct inlay_transport_params *params,
			    ngtcp2_transport_params *ret)
{
	ngtcp2_transport_params_default(ret);
	ret->initial_max_data = params->initial_max_data;
	ret->initial_max_stream_data_bidi_local = params->initial_max_stream_data_bidi_local;
	ret->initial_max_stream_data_bidi_remote = params->initial_max_stream_data_bidi_remote;
	ret->initial_max_stream_data_uni = params->initial_max_stream_data_uni;
	ret->initial_max_streams_bidi = params->initial_max_streams_bidi;
	ret->initial_max_streams_uni = params->initial_max_streams_uni;
	ret->max_idle_timeout = params->max_idle_timeout;
	ret->max_udp_payload_size = params->max_udp_payload_size;
	ret->active_connection_id_limit = params->active_connection_id_limit;
	ret->ack_delay_exponent = params->ack_delay_exponent;
	ret->max_ack_delay = params->max_ack_delay;
	ret->max_datagram_frame_size = params->max_datagram_frame_size;
	ret->disable_active_migration = params->disable_active_migration;
	ret->stateless_reset_token_present = params->has_stateless_reset_token;
	memcpy(ret->stateless_reset_token, params->stateless_reset_token,
	       sizeof(ret->stateless_reset_token));
}

void inlay_params_from_ngtcp2(const ngtcp2_transport_params *params,
			      struct inlay_transport_params *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->initial_max_data = params->initial_max_data;
	ret->initial_max_stream_data_bidi_local = params->initial_max_stream_data_bidi_local;
	ret->initial_max_stream_data_bidi_remote = params->initial_max_stream_data_bidi_remote;
	ret->initial_max_stream_data_uni = params->initial_max_stream_data_uni;
	ret->initial_max_streams_bidi = params->initial_max_streams_bidi;
	ret->initial_max_streams_uni = params->initial_max_streams_uni;
	ret->max_idle_timeout = params->max_idle_timeout;
	ret->max_udp_payload_size = params->max_udp_payload_size;
	ret->active_connection_id_limit = params->active_connection_id_limit;
	ret->ack_delay_exponent = params->ack_delay_exponent;
	ret->max_ack_delay = params->max_ack_delay;
	ret->max_datagram_frame_size = params->max_datagram_frame_size;
	ret->disable_active_migration = params->disable_active_migration;
	ret->has_stateless_reset_token = params->stateless_reset_token_present;
	memcpy(ret->stateless_reset_token, params->stateless_reset_token,
	       sizeof(ret->stateless_reset_token));
}

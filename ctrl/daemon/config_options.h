/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every option of inlayd, once: struct inlay_config, the schema, the defaults and the checks come
 * from these lists. docs/man/inlayd.yaml.5 tells what each does.
 *
 * NUMBER(name, default, minimum, maximum)   TEXT(name, default, longest)
 * CHOICE(name, default, choices: an array of cyaml_strval_t)
 */
#ifndef INLAY_DAEMON_CONFIG_OPTIONS_H
#define INLAY_DAEMON_CONFIG_OPTIONS_H

#define INLAY_CONFIG_TEXT 256
#define INLAY_CONFIG_LIST 16

#define INLAY_OPTIONS_TOP_TEXT(TEXT)                                                               \
	TEXT(certificate, "/etc/inlay/certificate.pem")                                            \
	TEXT(key, "/etc/inlay/key.pem")                                                            \
	TEXT(control_socket, "")

#define INLAY_OPTIONS_TOP_CHOICE(CHOICE)                                                           \
	CHOICE(open, 0, truth_choices)                                                             \
	CHOICE(crypto_backend, INLAY_BACKEND_AUTO, backend_choices)                                \
	CHOICE(retry, INLAY_RETRY_LOAD, retry_choices)                                             \
	CHOICE(ecn, 1, truth_choices)                                                              \
	CHOICE(congestion_control, INLAY_CC_LIVE, congestion_choices)                              \
	CHOICE(policy, INLAY_POLICY_FAIR, policy_choices)                                          \
	CHOICE(placement, INLAY_PLACEMENT_AUTO, placement_choices)                                 \
	CHOICE(gso, INLAY_OFFLOAD_AUTO, offload_choices)                                           \
	CHOICE(gro, INLAY_OFFLOAD_AUTO, offload_choices)                                           \
	CHOICE(log_level, INLAY_LOG_INFO, log_choices)

#define INLAY_OPTIONS_TOP_NUMBER(NUMBER)                                                           \
	NUMBER(data_thread_cpu, -1, -1, 1023)                                                      \
	NUMBER(max_connections, 1024, 1, 65536)                                                    \
	NUMBER(max_handshakes, 256, 1, 65536)                                                      \
	NUMBER(retry_above, 64, 0, 65536)                                                          \
	NUMBER(ring_frames, 4096, 64, 65536)                                                       \
	NUMBER(socket_buffer_bytes, 4 << 20, 65536, 1 << 30)

#define INLAY_OPTIONS_LIMITS(NUMBER)                                                               \
	NUMBER(streams_bidi, 1024, 4, 65536)                                                       \
	NUMBER(streams_uni, 1024, 4, 65536)                                                        \
	NUMBER(own_streams, 4096, 4, 1 << 20)                                                      \
	NUMBER(connection_window_bytes, 16 << 20, 65536, 1 << 30)                                  \
	NUMBER(stream_window_bytes, 4 << 20, 16384, 1 << 30)                                       \
	NUMBER(window_growth, 4, 1, 64)                                                            \
	NUMBER(receive_memory_bytes, 256 << 20, 1 << 20, 1LL << 40)                                \
	NUMBER(datagram_queue_bytes, 1 << 20, 65536, 1 << 30)                                      \
	NUMBER(udp_payload_bytes, 1400, 1200, 1452)                                                \
	NUMBER(path_mtu_bytes, 1472, 1200, 1950)                                                   \
	NUMBER(idle_timeout_ms, 30000, 1000, 600000)                                               \
	NUMBER(keep_alive_ms, 0, 0, 600000)                                                        \
	NUMBER(handshake_timeout_ms, 10000, 100, 600000)                                           \
	NUMBER(sent_log_packets, 2048, 64, 1 << 20)                                                \
	NUMBER(forwarded_publishers, 64, 1, 65536)                                                 \
	NUMBER(forwarded_tracks, 256, 1, 65536)                                                    \
	NUMBER(forwarded_streams, 256, 16, 32768)                                                  \
	NUMBER(early_packets, 16, 0, 256)                                                          \
	NUMBER(replies_per_second, 200, 0, 1000000)

#define INLAY_OPTIONS_CACHE(NUMBER)                                                                \
	NUMBER(bytes, 1 << 30, 1 << 20, 1LL << 40)                                                 \
	NUMBER(track_bytes, 64 << 20, 1 << 16, 1LL << 40)                                          \
	NUMBER(track_groups, 1024, 1, 1 << 20)                                                     \
	NUMBER(age_ms, 60000, 100, 86400000)

#define INLAY_OPTIONS_RELAY(NUMBER)                                                                \
	NUMBER(rendezvous_max_ms, 10000, 1, 3600000)                                               \
	NUMBER(publisher_grace_ms, 10000, 1, 3600000)                                              \
	NUMBER(linger_ms, 2000, 1, 3600000)                                                        \
	NUMBER(max_tracks, 4096, 1, 1 << 20)                                                       \
	NUMBER(max_namespaces, 4096, 1, 1 << 20)                                                   \
	NUMBER(session_namespaces, 64, 1, 65536)                                                   \
	NUMBER(session_subscriptions, 64, 1, 65536)                                                \
	NUMBER(session_publications, 64, 1, 65536)                                                 \
	NUMBER(subscription_streams, 128, 1, 65536)                                                \
	NUMBER(subscription_resets, 256, 1, 65536)

#define INLAY_OPTIONS_ORIGIN_TEXT(TEXT)                                                            \
	TEXT(uri, "")                                                                              \
	TEXT(ca, "")

#define INLAY_OPTIONS_ORIGIN_CHOICE(CHOICE) CHOICE(insecure, 0, truth_choices)

#define INLAY_OPTIONS_ORIGIN_NUMBER(NUMBER)                                                        \
	NUMBER(retry_min_ms, 500, 10, 3600000)                                                     \
	NUMBER(retry_max_ms, 30000, 10, 3600000)

#define INLAY_OPTIONS_QLOG_TEXT(TEXT) TEXT(directory, "")

#define INLAY_OPTIONS_QLOG_CHOICE(CHOICE) CHOICE(connections, INLAY_QLOG_NONE, qlog_choices)

#define INLAY_OPTIONS_QLOG_NUMBER(NUMBER)                                                          \
	NUMBER(max_bytes, 64 << 20, 1 << 16, 1LL << 40)                                            \
	NUMBER(max_files, 64, 1, 4096)

#endif

-- Made by `streamer siem flink-sql` for Flink 2.3.0 with its Kafka connector 5.0.0-2.2. Reads
-- cisco.intersight.oauth-token.created, cisco.intersight.oauth-token.modified, cisco.intersight.oauth-token.deleted,
-- cisco.intersight.oauth-token.snapshots.
-- read_committed: what an aborted transaction left behind is no event.
-- Needs the jars flink-sql-connector-kafka and flink-sql-avro-confluent-registry.
CREATE TABLE `oauth_token_events` (
  `event_id` STRING NOT NULL,
  `event_type` STRING NOT NULL,
  `source` STRING NOT NULL,
  `epoch` STRING NOT NULL,
  `sequence` BIGINT NOT NULL,
  `account_moid` STRING,
  `moid` STRING NOT NULL,
  `detected_at` TIMESTAMP(3) NOT NULL,
  `event_time` TIMESTAMP(3) NOT NULL,
  `not_before` TIMESTAMP(3),
  `not_after` TIMESTAMP(3) NOT NULL,
  `snapshot_id` STRING NOT NULL,
  `baseline` BOOLEAN NOT NULL,
  `before` ROW<`moid` STRING NOT NULL, `token_id` STRING, `client_id` STRING, `client_name` STRING, `client_ip_address` STRING, `last_login_client` STRING, `last_login_time` TIMESTAMP(3), `access_expiration_time` TIMESTAMP(3), `expiration_time` TIMESTAMP(3), `create_time` TIMESTAMP(3), `mod_time` TIMESTAMP(3), `account_moid` STRING, `domain_group_moid` STRING, `shared_scope` STRING, `user_moid` STRING, `app_registration_moid` STRING, `permission_moid` STRING, `user_agent` STRING, `device_model` STRING, `parent_moid` STRING, `owners` ARRAY<STRING NOT NULL> NOT NULL, `permission_resources` ARRAY<STRING NOT NULL> NOT NULL, `tags` ARRAY<ROW<`key` STRING NOT NULL, `value` STRING> NOT NULL> NOT NULL, `extras` ARRAY<ROW<`name` STRING NOT NULL, `json` STRING NOT NULL> NOT NULL> NOT NULL>,
  `after` ROW<`moid` STRING NOT NULL, `token_id` STRING, `client_id` STRING, `client_name` STRING, `client_ip_address` STRING, `last_login_client` STRING, `last_login_time` TIMESTAMP(3), `access_expiration_time` TIMESTAMP(3), `expiration_time` TIMESTAMP(3), `create_time` TIMESTAMP(3), `mod_time` TIMESTAMP(3), `account_moid` STRING, `domain_group_moid` STRING, `shared_scope` STRING, `user_moid` STRING, `app_registration_moid` STRING, `permission_moid` STRING, `user_agent` STRING, `device_model` STRING, `parent_moid` STRING, `owners` ARRAY<STRING NOT NULL> NOT NULL, `permission_resources` ARRAY<STRING NOT NULL> NOT NULL, `tags` ARRAY<ROW<`key` STRING NOT NULL, `value` STRING> NOT NULL> NOT NULL, `extras` ARRAY<ROW<`name` STRING NOT NULL, `json` STRING NOT NULL> NOT NULL> NOT NULL>,
  `changed_fields` ARRAY<STRING NOT NULL> NOT NULL,
  `change_kinds` ARRAY<STRING NOT NULL> NOT NULL,
  `delete_cause` STRING,
  `delete_evidence` ROW<`method` STRING NOT NULL, `checked_at` TIMESTAMP(3) NOT NULL, `audit_record_moid` STRING, `audit_event` STRING, `actor` STRING, `actor_ip` STRING>,
  `retracts` STRING,
  `user` ROW<`moid` STRING NOT NULL, `name` STRING, `email` STRING, `id` STRING>,
  `trace_id` STRING,
  `derived` ROW<`lifetime_s` BIGINT, `idle_s` BIGINT, `new_client_for_user` BOOLEAN, `login_network_changed` BOOLEAN, `outlived_expiry` BOOLEAN>,
  WATERMARK FOR `event_time` AS `event_time` - INTERVAL '15' MINUTE
) WITH (
  'connector' = 'kafka',
  'topic' = 'cisco.intersight.oauth-token.created;cisco.intersight.oauth-token.modified;cisco.intersight.oauth-token.deleted',
  'scan.startup.mode' = 'group-offsets',
  'properties.bootstrap.servers' = 'localhost:9092',
  'properties.group.id' = 'flink-events-cisco.intersight.oauth-token',
  'properties.isolation.level' = 'read_committed',
  'properties.auto.offset.reset' = 'earliest',
  'format' = 'avro-confluent',
  'avro-confluent.url' = 'http://localhost:8081'
);

CREATE TABLE `snapshot_reports` (
  `snapshot_id` STRING NOT NULL,
  `source` STRING NOT NULL,
  `epoch` STRING,
  `account_moid` STRING,
  `started_at` TIMESTAMP(3) NOT NULL,
  `finished_at` TIMESTAMP(3) NOT NULL,
  `server_date` TIMESTAMP(3),
  `clock_offset_ms` BIGINT,
  `verdict` STRING NOT NULL,
  `reason` STRING,
  `detail` STRING,
  `paging` STRING NOT NULL,
  `pages` BIGINT NOT NULL,
  `requests` BIGINT NOT NULL,
  `rows` BIGINT NOT NULL,
  `server_count` BIGINT,
  `moids_sha256` STRING,
  `baseline` BOOLEAN NOT NULL,
  `created` BIGINT NOT NULL,
  `modified` BIGINT NOT NULL,
  `deleted` BIGINT NOT NULL,
  `unchanged` BIGINT NOT NULL,
  `suppressed` BIGINT NOT NULL,
  `held` BIGINT NOT NULL,
  `waiting` BIGINT NOT NULL,
  `stale` BIGINT NOT NULL,
  `outlived` BIGINT NOT NULL,
  `first_sequence` BIGINT,
  `last_sequence` BIGINT,
  `hold_id` STRING,
  `trace_ids` ARRAY<STRING NOT NULL> NOT NULL,
  WATERMARK FOR `finished_at` AS `finished_at` - INTERVAL '15' MINUTE
) WITH (
  'connector' = 'kafka',
  'topic' = 'cisco.intersight.oauth-token.snapshots',
  'scan.startup.mode' = 'group-offsets',
  'properties.bootstrap.servers' = 'localhost:9092',
  'properties.group.id' = 'flink-snapshots-cisco.intersight.oauth-token',
  'properties.isolation.level' = 'read_committed',
  'properties.auto.offset.reset' = 'earliest',
  'format' = 'avro-confluent',
  'avro-confluent.url' = 'http://localhost:8081'
);

-- Loss, once events are read from their beginning: a source and epoch whose numbers have a gap.
CREATE VIEW `lost_events` AS
SELECT `source`, `epoch`, MAX(`sequence`) - COUNT(DISTINCT `sequence`) AS `missing`
FROM `oauth_token_events`
GROUP BY `source`, `epoch`
HAVING MAX(`sequence`) > COUNT(DISTINCT `sequence`);

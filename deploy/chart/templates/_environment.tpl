{{/* The environment of one process or job: nothing in it comes from an object that this chart makes, because jobs run before. */}}
{{- define "union.environment" -}}
{{- $root := .root -}}
{{- $own := index $root.Values.services .service -}}
{{- $facts := include "union.facts" . | fromYaml -}}
{{- $secret := $own.postgres.secret -}}
- name: POSTGRES_USER
  valueFrom: {secretKeyRef: {name: {{ $secret.name }}, key: {{ default "username" $secret.usernameKey }}}}
- name: POSTGRES_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ $secret.name }}, key: {{ default "password" $secret.passwordKey }}}}
- name: UNION_DATABASE_URL
  value: {{ printf "postgresql+asyncpg://$(POSTGRES_USER):$(POSTGRES_PASSWORD)@%s:%d/%s" $own.postgres.host (int (default $root.Values.postgres.port $own.postgres.port)) $own.postgres.database | quote }}
# The driver's own variables.
- name: PGSSLMODE
  value: {{ $root.Values.postgres.sslMode }}
{{- if $own.postgres.caSecret.name }}
- name: PGSSLROOTCERT
  value: /run/postgres-ca/ca.crt
{{- end }}
{{- if include "union.usesKafka" . }}
- name: UNION_KAFKA_BOOTSTRAP
  value: {{ required "kafka.bootstrap is needed: host:port,host:port" $root.Values.kafka.bootstrap | quote }}
- name: UNION_KAFKA_SECURITY_PROTOCOL
  value: {{ $root.Values.kafka.securityProtocol }}
{{- if hasPrefix "SASL" $root.Values.kafka.securityProtocol }}
- name: UNION_KAFKA_SASL_MECHANISM
  value: {{ $root.Values.kafka.saslMechanism }}
- name: UNION_KAFKA_USERNAME
  value: {{ $own.kafka.username | quote }}
- name: UNION_KAFKA_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ $own.kafka.secret.name }}, key: {{ default "password" $own.kafka.secret.passwordKey }}}}
{{- end }}
{{- if hasSuffix "SSL" $root.Values.kafka.securityProtocol }}
{{- if $root.Values.kafka.caSecret.name }}
- name: UNION_KAFKA_CA_FILE
  value: /run/kafka-ca/ca.crt
{{- end }}
{{- if eq $root.Values.kafka.securityProtocol "SSL" }}
- name: UNION_KAFKA_CERT_FILE
  value: /run/kafka-user/user.crt
- name: UNION_KAFKA_KEY_FILE
  value: /run/kafka-user/user.key
{{- end }}
{{- end }}
- name: UNION_TOPIC_PARTITIONS
  value: {{ int $root.Values.kafka.topicPartitions | quote }}
- name: UNION_TOPIC_REPLICATION
  value: {{ int $root.Values.kafka.topicReplication | quote }}
{{- end }}
- name: UNION_JWKS_URL
  value: {{ if $root.Values.tokens.jwksConfigMap }}file:///run/jwks/jwks.json{{ else }}{{ required "tokens.jwksUrl is needed: where the issuer publishes its keys" $root.Values.tokens.jwksUrl | quote }}{{ end }}
{{- range $name, $file := $facts.files }}
{{- $given := dig "files" $name dict $own }}
{{- if or $given.name $file.required }}
# Every process must know the name; only those that read the file are given it.
- name: UNION_{{ upper $name }}
  value: /run/files/{{ $name }}{{ if and (not $file.folder) }}/file{{ end }}
{{- end }}
{{- end }}
{{- if has .role (list "api" "worker") }}
- name: UNION_TOKEN_ISSUER
  value: {{ required "tokens.issuer is needed: what tokens say under iss" $root.Values.tokens.issuer | quote }}
- name: UNION_TOKEN_AUDIENCE
  value: {{ $root.Values.tokens.audience | quote }}
- name: UNION_HTTP_HOST
  value: 0.0.0.0
- name: UNION_HTTP_PORT
  value: "8000"
- name: UNION_LOG_LEVEL
  value: {{ $root.Values.telemetry.logLevel }}
{{- with $root.Values.telemetry.otlpEndpoint }}
- name: UNION_OTLP_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- if $facts.asksRegistry }}
- name: UNION_REGISTRY_URL
  value: http://{{ include "union.name" (dict "root" $root "service" "registry" "role" "api") }}:8000
{{- end }}
{{- with (include "union.process" . | fromYaml) }}
- name: UNION_SHUTDOWN_SECONDS
  value: {{ int .shutdownSeconds | quote }}
{{- end }}
{{- range $name, $value := merge (deepCopy (default dict $own.settings)) (deepCopy $root.Values.settings) }}
- name: UNION_{{ upper $name }}
  value: {{ include "union.variable" $value | quote }}
{{- end }}
{{- end }}
{{- if and $facts.hasPartners $root.Values.partners }}
- name: UNION_PARTNER_TOPICS
  value: {{ toJson $root.Values.partners | quote }}
{{- end }}
{{- end -}}

{{/* Name, what it is of, where it is: of every file that this process reads. A list, as YAML under `mounts`. */}}
{{- define "union.mounts" -}}
{{- $root := .root -}}
{{- $role := .role -}}
{{- $own := index $root.Values.services .service -}}
{{- $facts := include "union.facts" . | fromYaml -}}
mounts:
  {{- with $own.postgres.caSecret.name }}
  - name: postgres-ca
    path: /run/postgres-ca
    source: {secret: {secretName: {{ . }}, items: [{key: {{ default "ca.crt" $own.postgres.caSecret.key }}, path: ca.crt}], defaultMode: 0440}}
  {{- end }}
  {{- if include "union.usesKafka" . }}
  {{- if and (hasSuffix "SSL" $root.Values.kafka.securityProtocol) $root.Values.kafka.caSecret.name }}
  - name: kafka-ca
    path: /run/kafka-ca
    source: {secret: {secretName: {{ $root.Values.kafka.caSecret.name }}, items: [{key: {{ default "ca.crt" $root.Values.kafka.caSecret.key }}, path: ca.crt}], defaultMode: 0440}}
  {{- end }}
  {{- if eq $root.Values.kafka.securityProtocol "SSL" }}
  - name: kafka-user
    path: /run/kafka-user
    source: {secret: {secretName: {{ $own.kafka.secret.name }}, items: [{key: user.crt, path: user.crt}, {key: user.key, path: user.key}], defaultMode: 0440}}
  {{- end }}
  {{- end }}
  {{- if and (eq $role "api") $root.Values.tokens.jwksConfigMap }}
  - name: jwks
    path: /run/jwks
    source: {configMap: {name: {{ $root.Values.tokens.jwksConfigMap }}, items: [{key: jwks.json, path: jwks.json}]}}
  {{- end }}
  {{- range $name, $file := $facts.files }}
  {{- $given := dig "files" $name dict $own }}
  {{- if and $file.required (not $given.name) }}
  {{- fail (printf "services.%s.files.%s.name is needed: the Secret that holds the file" $.service $name) }}
  {{- end }}
  {{- if and $given.name (has $role $file.processes) }}
  - name: {{ $name | replace "_" "-" }}
    path: /run/files/{{ $name }}
    {{- if not $file.secret }}
    source: {configMap: {name: {{ $given.name }}}}
    {{- else if $file.folder }}
    source: {secret: {secretName: {{ $given.name }}, defaultMode: 0440}}
    {{- else }}
    source: {secret: {secretName: {{ $given.name }}, items: [{key: {{ required (printf "services.%s.files.%s.key is needed" $.service $name) $given.key }}, path: file}], defaultMode: 0440}}
    {{- end }}
  {{- end }}
  {{- end }}
{{- end -}}

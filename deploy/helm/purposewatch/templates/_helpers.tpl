{{- define "purposewatch.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Labels that never change, of one component: (list $ "ingest") */}}
{{- define "purposewatch.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "purposewatch.labels" -}}
{{- $root := index . 0 -}}
{{ include "purposewatch.selector" . }}
app.kubernetes.io/part-of: purposewatch
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Metadata of a resource of one component: (list $ "ingest" "name-suffix") */}}
{{- define "purposewatch.metadata" -}}
{{- $root := index . 0 -}}
name: {{ include "purposewatch.name" $root }}-{{ index . 2 }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "purposewatch.labels" . | nindent 2 }}
{{- end }}

{{- define "purposewatch.image" -}}
{{- $root := index . 0 -}}
{{- $image := (index $root.Values (index . 1)).image -}}
{{- with $root.Values.image.registry }}{{ . }}/{{ end }}{{ $image.repository -}}
:{{ $image.tag | default $root.Values.image.tag | default $root.Chart.AppVersion }}
{{- with $image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* A setting's value as the text of an environment variable. Large numbers of a values file are
     floats, which would be written with an exponent. */}}
{{- define "purposewatch.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . | toString | quote }}{{ else }}{{ toString . | quote }}{{ end }}
{{- end }}

{{/* An environment variable from a Secret: (list "NAME" $reference) */}}
{{- define "purposewatch.fromSecret" -}}
{{- $reference := index . 1 -}}
- name: {{ index . 0 }}
  valueFrom:
    secretKeyRef: {name: {{ $reference.name | quote }}, key: {{ $reference.key | quote }}}
{{- end }}

{{/* What the values add to a service's environment. */}}
{{- define "purposewatch.furtherEnv" -}}
{{- range $name, $value := .settings }}
- name: {{ $name }}
  value: {{ include "purposewatch.text" $value }}
{{- end }}
{{- range $name, $reference := .secrets }}
{{ include "purposewatch.fromSecret" (list $name $reference) }}
{{- end }}
{{- end }}

{{- define "purposewatch.strimziNamespace" -}}
{{ .Values.strimzi.namespace | default .Release.Namespace }}
{{- end }}

{{- define "purposewatch.bootstrapServers" -}}
{{- if .Values.kafka.bootstrapServers }}{{ .Values.kafka.bootstrapServers }}
{{- else if .Values.strimzi.cluster.enabled -}}
{{ .Values.strimzi.cluster.name }}-kafka-bootstrap.{{ include "purposewatch.strimziNamespace" . }}.svc:9093
{{- else }}{{ fail "name your Kafka in `kafka.bootstrapServers`, or enable `strimzi.cluster`" }}{{ end }}
{{- end }}

{{/* The Secret with the authorities of the broker's certificate, or nothing. */}}
{{- define "purposewatch.kafkaCaSecret" -}}
{{- if .Values.kafka.caSecret.name }}{{ .Values.kafka.caSecret.name }}
{{- else if .Values.strimzi.cluster.enabled }}{{ .Values.strimzi.cluster.name }}-cluster-ca-cert{{ end }}
{{- end }}

{{/* The Secret with the password of a service in Kafka: Strimzi's has the user's name. */}}
{{- define "purposewatch.kafkaPasswordSecret" -}}
{{- $root := index . 0 -}}
{{- $user := index $root.Values.kafka.users (index . 1) -}}
{{- if $user.passwordSecret.name }}{{ $user.passwordSecret.name }}
{{- else if $root.Values.strimzi.users.enabled }}{{ $user.username }}
{{- else }}{{ fail (printf "name the Secret in `kafka.users.%s.passwordSecret`, or enable `strimzi.users`" (index . 1)) }}{{ end }}
{{- end }}

{{- define "purposewatch.isSasl" -}}
{{- if hasPrefix "SASL" .Values.kafka.securityProtocol }}true{{ end }}
{{- end }}

{{/* Where tokens for Kafka come from: `account`, `endpoint` or nowhere. */}}
{{- define "purposewatch.tokens" -}}
{{- if and (include "purposewatch.isSasl" .) (eq .Values.kafka.saslMechanism "OAUTHBEARER") -}}
{{- if .Values.kafka.oauth.audience }}account
{{- else if .Values.kafka.oauth.tokenUrl }}endpoint
{{- else }}{{ fail "OAUTHBEARER needs `kafka.oauth.audience` or `kafka.oauth.tokenUrl`" }}{{ end }}
{{- end }}
{{- end }}

{{- define "purposewatch.isTls" -}}
{{- if hasSuffix "SSL" .Values.kafka.securityProtocol }}true{{ end }}
{{- end }}

{{- define "purposewatch.kafkaEnv" -}}
{{- $root := index . 0 -}}
{{- $kafka := $root.Values.kafka -}}
- name: PURPOSEWATCH_KAFKA_BOOTSTRAP_SERVERS
  value: {{ include "purposewatch.bootstrapServers" $root | quote }}
- name: PURPOSEWATCH_KAFKA_SECURITY_PROTOCOL
  value: {{ $kafka.securityProtocol }}
{{- if include "purposewatch.isSasl" $root }}
- name: PURPOSEWATCH_KAFKA_SASL_MECHANISM
  value: {{ $kafka.saslMechanism }}
{{- $tokens := include "purposewatch.tokens" $root }}
{{- if eq $tokens "account" }}
- name: PURPOSEWATCH_KAFKA_OAUTH_TOKEN_FILE
  value: /var/run/secrets/purposewatch/kafka/token
{{- else if eq $tokens "endpoint" }}
- name: PURPOSEWATCH_KAFKA_OAUTH_TOKEN_URL
  value: {{ $kafka.oauth.tokenUrl | quote }}
- name: PURPOSEWATCH_KAFKA_OAUTH_CLIENT_ID
  value: {{ (index $kafka.users (index . 1)).username | quote }}
{{ include "purposewatch.fromSecret" (list "PURPOSEWATCH_KAFKA_OAUTH_CLIENT_SECRET" (dict "name" (include "purposewatch.kafkaPasswordSecret" .) "key" (index $kafka.users (index . 1)).passwordSecret.key)) }}
{{- with $kafka.oauth.scope }}
- name: PURPOSEWATCH_KAFKA_OAUTH_SCOPE
  value: {{ . | quote }}
{{- end }}
{{- else }}
- name: PURPOSEWATCH_KAFKA_SASL_USERNAME
  value: {{ (index $kafka.users (index . 1)).username | quote }}
{{ include "purposewatch.fromSecret" (list "PURPOSEWATCH_KAFKA_SASL_PASSWORD" (dict "name" (include "purposewatch.kafkaPasswordSecret" .) "key" (index $kafka.users (index . 1)).passwordSecret.key)) }}
{{- end }}
{{- end }}
{{- if and (include "purposewatch.isTls" $root) (include "purposewatch.kafkaCaSecret" $root) }}
- name: PURPOSEWATCH_KAFKA_SSL_CAFILE
  value: /etc/purposewatch/kafka-ca/{{ $kafka.caSecret.key }}
{{- end }}
{{- if eq $kafka.securityProtocol "SSL" }}
- name: PURPOSEWATCH_KAFKA_SSL_CERTFILE
  value: /etc/purposewatch/kafka-certificate/tls.crt
- name: PURPOSEWATCH_KAFKA_SSL_KEYFILE
  value: /etc/purposewatch/kafka-certificate/tls.key
{{- end }}
{{- with get $kafka.signing.keySecrets (index . 1) }}
{{- if .name }}
- name: PURPOSEWATCH_KAFKA_SIGNING_KEY_FILE
  value: /etc/purposewatch/signing-key/{{ .key }}
{{- end }}
{{- end }}
{{- with $kafka.signing.trustedKeys }}
{{- if .name }}
- name: PURPOSEWATCH_KAFKA_TRUSTED_KEYS_FILE
  value: /etc/purposewatch/trusted-keys/{{ .key }}
{{- end }}
{{- end }}
- name: PURPOSEWATCH_TOPIC_PREFIX
  value: {{ $kafka.topicPrefix | quote }}
- name: PURPOSEWATCH_TOPIC_PARTITIONS
  value: {{ include "purposewatch.text" $kafka.partitions }}
- name: PURPOSEWATCH_TOPIC_REPLICATION_FACTOR
  value: {{ include "purposewatch.text" $kafka.replicationFactor }}
{{- end }}

{{- define "purposewatch.databaseEnv" -}}
{{- $root := index . 0 -}}
{{- $migrates := and (eq (index . 1) "migration") (not $root.Values.cloudNativePg.enabled) -}}
{{- $postgresql := $root.Values.postgresql -}}
{{- $url := $postgresql.url -}}
{{- $password := $postgresql.passwordSecret -}}
{{- if $root.Values.cloudNativePg.enabled -}}
{{- $cluster := printf "%s-database" (include "purposewatch.name" $root) -}}
{{- $url = printf "postgresql+asyncpg://purposewatch@%s-rw.%s.svc:5432/purposewatch" $cluster $root.Release.Namespace -}}
{{- $password = dict "name" (printf "%s-app" $cluster) "key" "password" -}}
{{- else if and $migrates $postgresql.migrationUrl -}}
{{- $url = $postgresql.migrationUrl -}}
{{- $password = $postgresql.migrationPasswordSecret -}}
{{- end -}}
- name: PURPOSEWATCH_DATABASE_URL
  value: {{ required "name your PostgreSQL in `postgresql.url`, or enable `cloudNativePg`" $url | quote }}
{{- if $password.name }}
{{ include "purposewatch.fromSecret" (list "PGPASSWORD" $password) }}
{{- end }}
- name: PGSSLMODE
  value: {{ $postgresql.sslMode }}
{{- if include "purposewatch.databaseCaSecret" $root }}
- name: PGSSLROOTCERT
  value: /etc/purposewatch/database-ca/{{ include "purposewatch.databaseCaKey" $root }}
{{- else if hasPrefix "verify" $postgresql.sslMode }}
- name: PGSSLROOTCERT
  value: /etc/ssl/certs/ca-certificates.crt # the image's
{{- end }}
{{- end }}

{{- define "purposewatch.databaseCaSecret" -}}
{{- if .Values.cloudNativePg.enabled }}{{ include "purposewatch.name" . }}-database-ca
{{- else }}{{ .Values.postgresql.caSecret.name }}{{ end }}
{{- end }}

{{- define "purposewatch.databaseCaKey" -}}
{{- if .Values.cloudNativePg.enabled }}ca.crt{{ else }}{{ .Values.postgresql.caSecret.key }}{{ end }}
{{- end }}

{{- define "purposewatch.publishersConfigMap" -}}
{{- .Values.publishers.configMap.name | default (printf "%s-publishers" (include "purposewatch.name" .)) }}
{{- end }}

{{/* Never more processes than partitions: the others would have nothing to do. Ingest also serves HTTP,
     so it may have more where nothing scales it by its lag. */}}
{{- define "purposewatch.checkReplicas" -}}
{{- $root := index . 0 -}}
{{- $values := index $root.Values (index . 1) -}}
{{- $most := $values.replicas -}}
{{- if and (hasKey $values "autoscaling") $values.autoscaling.enabled -}}
{{- $most = $values.autoscaling.maxReplicas -}}
{{- if gt (int $values.autoscaling.minReplicas) (int $most) -}}
{{ fail (printf "`%s.autoscaling.minReplicas` is above `maxReplicas`" (index . 1)) }}
{{- end -}}
{{- end -}}
{{- $serves := and (eq (index . 1) "ingest") (not $root.Values.ingest.autoscaling.enabled) -}}
{{- if and (gt (int $most) (int $root.Values.kafka.partitions)) (not $serves) -}}
{{ fail (printf "%d replicas of `%s` are more than `kafka.partitions` (%d)" (int $most) (index . 1) (int $root.Values.kafka.partitions)) }}
{{- end -}}
{{- end }}

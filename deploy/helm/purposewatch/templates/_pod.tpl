{{/* Security of a pod and of a container, as the Pod Security Standard `restricted` asks for. */}}
{{- define "purposewatch.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "purposewatch.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Volumes and mounts that several services have: (list $ "ingest"), each a list of YAML. */}}
{{- define "purposewatch.volumes" -}}
{{- $root := index . 0 -}}{{- $component := index . 1 -}}{{- $values := $root.Values -}}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- if and (include "purposewatch.isTls" $root) (include "purposewatch.kafkaCaSecret" $root) }}
- name: kafka-ca
  secret: {secretName: {{ include "purposewatch.kafkaCaSecret" $root }}, items: [{key: {{ $values.kafka.caSecret.key }}, path: {{ $values.kafka.caSecret.key }}}]}
{{- end }}
{{- if eq $values.kafka.securityProtocol "SSL" }}
- name: kafka-certificate
  secret: {secretName: {{ required (printf "name the Secret in `kafka.certificateSecrets.%s`" $component) (index $values.kafka.certificateSecrets $component) }}, defaultMode: 0440}
{{- end }}
{{- if eq (include "purposewatch.tokens" $root) "account" }}
- name: kafka-token
  projected:
    defaultMode: 0440
    sources: [{serviceAccountToken: {audience: {{ $values.kafka.oauth.audience | quote }}, expirationSeconds: 3600, path: token}}]
{{- end }}
{{- with get $values.kafka.signing.keySecrets $component }}
{{- if .name }}
- name: signing-key
  secret: {secretName: {{ .name }}, defaultMode: 0440, items: [{key: {{ .key }}, path: {{ .key }}}]}
{{- end }}
{{- end }}
{{- with $values.kafka.signing.trustedKeys }}
{{- if .name }}
- name: trusted-keys
  configMap: {name: {{ .name }}, items: [{key: {{ .key }}, path: {{ .key }}}]}
{{- end }}
{{- end }}
{{- if $values.policies.volume }}
- name: policies
  {{- toYaml $values.policies.volume | nindent 2 }}
{{- else }}
{{- range $directory, $configMap := $values.policies.configMaps }}
- name: policies-{{ $directory | replace "_" "-" | lower }}
  configMap: {name: {{ $configMap }}}
{{- end }}
{{- end }}
{{- with $values.policies.bundle }}
{{- if .address }}
- name: bundle
  emptyDir: {sizeLimit: 512Mi}
{{- if .keys.name }}
- name: bundle-keys
  configMap: {name: {{ .keys.name }}, items: [{key: {{ .keys.key }}, path: {{ .keys.key }}}]}
{{- end }}
{{- if .tokenSecret.name }}
- name: bundle-token
  secret: {secretName: {{ .tokenSecret.name }}, defaultMode: 0440, items: [{key: {{ .tokenSecret.key }}, path: {{ .tokenSecret.key }}}]}
{{- end }}
{{- end }}
{{- end }}
{{- if ne $component "reporter" }}
- name: publishers
  configMap: {name: {{ include "purposewatch.publishersConfigMap" $root }}, items: [{key: {{ $values.publishers.configMap.key }}, path: publishers.yaml}]}
{{- end }}
{{- end }}

{{- define "purposewatch.mounts" -}}
{{- $root := index . 0 -}}{{- $component := index . 1 -}}{{- $values := $root.Values -}}
- {name: tmp, mountPath: /tmp}
{{- if and (include "purposewatch.isTls" $root) (include "purposewatch.kafkaCaSecret" $root) }}
- {name: kafka-ca, mountPath: /etc/purposewatch/kafka-ca, readOnly: true}
{{- end }}
{{- if eq $values.kafka.securityProtocol "SSL" }}
- {name: kafka-certificate, mountPath: /etc/purposewatch/kafka-certificate, readOnly: true}
{{- end }}
{{- if eq (include "purposewatch.tokens" $root) "account" }}
- {name: kafka-token, mountPath: /var/run/secrets/purposewatch/kafka, readOnly: true}
{{- end }}
{{- with get $values.kafka.signing.keySecrets $component }}
{{- if .name }}
- {name: signing-key, mountPath: /etc/purposewatch/signing-key, readOnly: true}
{{- end }}
{{- end }}
{{- if $values.kafka.signing.trustedKeys.name }}
- {name: trusted-keys, mountPath: /etc/purposewatch/trusted-keys, readOnly: true}
{{- end }}
{{- if $values.policies.volume }}
- {name: policies, mountPath: /etc/purposewatch/policies, readOnly: true}
{{- else }}
{{- range $directory, $configMap := $values.policies.configMaps }}
- {name: policies-{{ $directory | replace "_" "-" | lower }}, mountPath: /etc/purposewatch/policies/{{ $directory }}, readOnly: true}
{{- end }}
{{- end }}
{{- with $values.policies.bundle }}
{{- if .address }}
- {name: bundle, mountPath: /var/cache/purposewatch}
{{- if .keys.name }}
- {name: bundle-keys, mountPath: /etc/purposewatch/bundle-keys, readOnly: true}
{{- end }}
{{- if .tokenSecret.name }}
- {name: bundle-token, mountPath: /etc/purposewatch/bundle-token, readOnly: true}
{{- end }}
{{- end }}
{{- end }}
{{- if ne $component "reporter" }}
- {name: publishers, mountPath: /etc/purposewatch/publishers, readOnly: true}
{{- end }}
{{- end }}

{{- define "purposewatch.policiesEnv" -}}
{{- with .Values.policies.bundle }}
{{- if .address }}
- name: PURPOSEWATCH_POLICIES_BUNDLE
  value: {{ .address | quote }}
- name: PURPOSEWATCH_POLICIES_BUNDLE_DIR
  value: /var/cache/purposewatch/policies
{{- if .keys.name }}
- name: PURPOSEWATCH_POLICIES_BUNDLE_KEYS_FILE
  value: /etc/purposewatch/bundle-keys/{{ .keys.key }}
{{- end }}
{{- if .tokenSecret.name }}
- name: PURPOSEWATCH_POLICIES_BUNDLE_TOKEN_FILE
  value: /etc/purposewatch/bundle-token/{{ .tokenSecret.key }}
{{- end }}
{{- end }}
{{- end }}
{{- if or .Values.policies.volume .Values.policies.configMaps }}
- name: PURPOSEWATCH_POLICIES_DIR
  value: /etc/purposewatch/policies
{{- end }}
{{- end }}

{{/* The pod of a service. Of the caller: root, component, port, scheme, env, volumes, mounts. */}}
{{- define "purposewatch.pod" -}}
{{- $root := .root -}}{{- $component := .component -}}
{{- $values := index $root.Values $component -}}
metadata:
  labels:
    {{- include "purposewatch.labels" (list $root $component) | nindent 4 }}
  {{- with $values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "purposewatch.name" $root }}-{{ $component }}
  automountServiceAccountToken: false
  enableServiceLinks: false # its variables would look like misspelt settings
  terminationGracePeriodSeconds: 40 # the current batch is finished first
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- include "purposewatch.podSecurity" . | nindent 4 }}
  topologySpreadConstraints:
    {{- range $key, $when := dict "topology.kubernetes.io/zone" $root.Values.topologySpread.whenUnsatisfiable "kubernetes.io/hostname" "ScheduleAnyway" }}
    - topologyKey: {{ $key }}
      maxSkew: 1
      whenUnsatisfiable: {{ $when }}
      labelSelector:
        matchLabels:
          {{- include "purposewatch.selector" (list $root $component) | nindent 10 }}
      matchLabelKeys: [pod-template-hash]
    {{- end }}
  containers:
    - name: {{ $component }}
      image: {{ include "purposewatch.image" (list $root $component) }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      env:
        {{- .env | trim | nindent 8 }}
        {{- include "purposewatch.furtherEnv" $values | trim | nindent 8 }}
      ports:
        - {name: http, containerPort: {{ .port }}}
      # A process that waits for Kafka or its database is alive, and says in /readyz what it waits for.
      startupProbe:
        httpGet: {path: /livez, port: http, scheme: {{ .scheme }}}
        periodSeconds: 2
        timeoutSeconds: 5
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: /livez, port: http, scheme: {{ .scheme }}}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /readyz, port: http, scheme: {{ .scheme }}}
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 3
      {{- if eq $component "ingest" }}
      lifecycle:
        preStop:
          exec: {command: [sleep, "5"]} # until no load balancer sends requests here any more
      {{- end }}
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      securityContext:
        {{- include "purposewatch.containerSecurity" . | nindent 8 }}
      volumeMounts:
        {{- .mounts | trim | nindent 8 }}
  volumes:
    {{- .volumes | trim | nindent 4 }}
{{- end }}

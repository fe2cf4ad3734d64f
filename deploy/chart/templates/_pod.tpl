{{/* The pod of a process or job; what differs is in `container`, a template's text. */}}
{{- define "union.podSpec" -}}
{{- $own := index .root.Values.services .service -}}
{{- $mounts := (include "union.mounts" . | fromYaml).mounts -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with default .root.Values.image.pullSecrets (dig "image" "pullSecrets" list $own) }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  {{- mergeOverwrite (deepCopy .root.Values.podSecurityContext) (deepCopy (default dict $own.podSecurityContext)) | toYaml | nindent 2 }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with default .root.Values.nodeSelector $own.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with default .root.Values.tolerations $own.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: {{ .role }}
    image: {{ include "union.image" . | quote }}
    imagePullPolicy: {{ include "union.imagePullPolicy" . }}
    args: [{{ (include "union.facts" . | fromYaml).module }}, {{ .role }}]
    env:
      {{- include "union.environment" . | nindent 6 }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL]}
    {{- with .container }}
    {{- . | nindent 4 }}
    {{- end }}
    resources: {{- toYaml .resources | nindent 6 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      {{- range $mounts }}
      - {name: {{ .name }}, mountPath: {{ .path }}, readOnly: true}
      {{- end }}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: {{ default "64Mi" .tmpSize }}}
  {{- range $mounts }}
  - name: {{ .name }}
    {{- toYaml .source | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Probes and the way out of a process that serves. */}}
{{- define "union.serving" -}}
{{- $process := include "union.process" . | fromYaml -}}
ports:
  - {name: http, containerPort: 8000, protocol: TCP}
# It never asks the database or the broker: another start would not mend them.
livenessProbe:
  httpGet: {path: /health/live, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
# An API: its own database, with this release's schema or a later one. A worker: its partitions too.
readinessProbe:
  httpGet: {path: /health/ready, port: http}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 3
# A worker joins its groups first: with the broker away that lasts.
startupProbe:
  httpGet: {path: /health/live, port: http}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: {{ ternary 150 60 (eq .role "worker") }}
{{- if $process.preStopSeconds }}
lifecycle:
  # The balancers hear of the end before it comes.
  preStop: {sleep: {seconds: {{ int $process.preStopSeconds }}}}
{{- end }}
{{- end -}}

{{/* Longer than everything that may happen after SIGTERM: an API waits once, a worker for its server and four parts. */}}
{{- define "union.grace" -}}
{{- $process := include "union.process" . | fromYaml -}}
{{- add (int $process.preStopSeconds) (mul (int $process.shutdownSeconds) (ternary 5 1 (eq .role "worker"))) 10 -}}
{{- end -}}

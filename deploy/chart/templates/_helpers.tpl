{{/* Facts of the code that no operator decides: made by `union manifests`. */}}
{{- define "union.facts" -}}
{{- $facts := (.root.Files.Get "catalogue.yaml" | fromYaml).services -}}
{{- index $facts .service | toYaml -}}
{{- end -}}

{{- define "union.roles" -}}
["api", "worker"]
{{- end -}}

{{/* How a process is run: the defaults of its role with what its service says over them. */}}
{{- define "union.process" -}}
{{- $defaults := deepCopy (index .root.Values.processes .role) -}}
{{- $own := dig .role dict (default dict (index .root.Values.services .service).processes) -}}
{{- mergeOverwrite $defaults (deepCopy $own) | toYaml -}}
{{- end -}}

{{- define "union.name" -}}
{{- printf "%s-%s-%s" (.root.Release.Name | trunc 40 | trimSuffix "-") .service .role -}}
{{- end -}}

{{- define "union.selector" -}}
app.kubernetes.io/name: {{ .service }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end -}}

{{- define "union.commonLabels" -}}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/part-of: union-platform
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "union.labels" -}}
app.kubernetes.io/name: {{ .service }}
app.kubernetes.io/component: {{ .role }}
{{ include "union.commonLabels" . }}
{{- end -}}

{{/* A service's own image goes before the common one, key by key. */}}
{{- define "union.image" -}}
{{- $image := mergeOverwrite (deepCopy .root.Values.image) (deepCopy (default dict (index .root.Values.services .service).image)) -}}
{{- if $image.digest -}}
{{- printf "%s@%s" (required "image.repository is needed: where your registry has the image" $image.repository) $image.digest -}}
{{- else -}}
{{- printf "%s:%s" (required "image.repository is needed: where your registry has the image" $image.repository) (default .root.Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "union.imagePullPolicy" -}}
{{- default .root.Values.image.pullPolicy (dig "image" "pullPolicy" "" (index .root.Values.services .service)) -}}
{{- end -}}

{{/* A value of an environment variable: words as they are, everything else as JSON, because numbers of values are floats. */}}
{{- define "union.variable" -}}
{{- if kindIs "string" . -}}{{- . -}}{{- else -}}{{- toJson . -}}{{- end -}}
{{- end -}}

{{/* Whether this worker is scaled by lag. */}}
{{- define "union.byLag" -}}
{{- $facts := include "union.facts" . | fromYaml -}}
{{- $process := include "union.process" . | fromYaml -}}
{{- if and (eq .role "worker") .root.Values.keda.enabled $process.autoscaling.enabled (or $facts.consumes (and $facts.consumesOfPartners .root.Values.partners)) -}}
yes
{{- end -}}
{{- end -}}

{{/* Whether something else than the Deployment says how many there are. */}}
{{- define "union.scaled" -}}
{{- $process := include "union.process" . | fromYaml -}}
{{- if or (include "union.byLag" .) (and (eq .role "api") $process.autoscaling.enabled) -}}
yes
{{- end -}}
{{- end -}}

{{- define "union.usesKafka" -}}
{{- if has .role (list "worker" "topics") -}}
yes
{{- end -}}
{{- end -}}

{{/* Whose job makes the topics: cashback's knows the partners too. */}}
{{- define "union.topicsMadeBy" -}}
{{- ternary "cashback" "registry" (not (empty .Values.partners)) -}}
{{- end -}}

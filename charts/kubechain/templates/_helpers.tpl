{{- /* The prefix of all names: `kubechain` for a release of that name, as in the release YAML. */}}
{{- define "kubechain.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains "kubechain" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-kubechain" (.Release.Name | trunc 30 | trimSuffix "-") -}}
{{- end -}}
{{- end }}

{{- define "kubechain.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (printf "%s-manager" (include "kubechain.fullname" .)) -}}
{{- end }}

{{- /* A digest decides alone: a tag beside it would be read by people only. */}}
{{- define "kubechain.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end }}

{{- define "kubechain.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/part-of: kubechain
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "kubechain.selectorLabels" -}}
app.kubernetes.io/name: kubechain
app.kubernetes.io/component: manager
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- /* A JSON list of the namespaces in which the manager has its rights; empty where it has them in the cluster. */}}
{{- define "kubechain.scopedNamespaces" -}}
{{- if .Values.namespaced -}}
{{- .Values.namespaces | default (list .Release.Namespace) | toJson -}}
{{- else -}}
[]
{{- end -}}
{{- end }}

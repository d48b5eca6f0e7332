{{- define "node.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "node.labels" -}}
app.kubernetes.io/name: fedloom-node
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "node.selector" -}}
app.kubernetes.io/name: fedloom-node
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

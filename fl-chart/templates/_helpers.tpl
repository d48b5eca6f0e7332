{{/* The start of all names: a release called fl-components makes fl-components-restapi and so on. */}}
{{- define "fl.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "fl.labels" -}}
app.kubernetes.io/name: fedloom
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* What selects the pods of one part: a list of the root and the part's name. */}}
{{- define "fl.selector" -}}
app.kubernetes.io/name: fedloom
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "fl.secretName" -}}
{{- .Values.secret.existing | default (printf "%s-secret" (include "fl.name" .)) -}}
{{- end -}}

{{/* TLS, or the wish to do without by its name. */}}
{{- define "fl.checkTls" -}}
{{- if and (not .Values.tls.secretName) (not .Values.insecure) -}}
{{- fail "name a Secret with a certificate in tls.secretName, or set insecure: true if something else adds TLS" -}}
{{- end -}}
{{- end -}}

{{- define "fl.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "fl.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Where database, broker and registry are, and the logins. */}}
{{- define "fl.storesEnv" -}}
{{- if .Values.deps.postgres.host }}
- name: DB_MODE
  value: postgresql
- name: POSTGRES_HOST
  value: {{ .Values.deps.postgres.host | quote }}
- name: POSTGRES_PORT
  value: {{ .Values.deps.postgres.port | quote }}
- name: POSTGRES_DB
  value: {{ .Values.deps.postgres.database | quote }}
{{ include "fl.fromSecret" (list . "POSTGRES_USER") }}
{{ include "fl.fromSecret" (list . "POSTGRES_PASSWORD") }}
{{- end }}
{{- if .Values.deps.rabbit.host }}
- name: RABBIT_HOST
  value: {{ .Values.deps.rabbit.host | quote }}
- name: RABBIT_PORT
  value: {{ .Values.deps.rabbit.port | quote }}
{{ include "fl.fromSecret" (list . "RABBIT_USER") }}
{{ include "fl.fromSecret" (list . "RABBIT_PASSWORD") }}
{{- end }}
- name: MLFLOW_URL
  value: {{ .Values.deps.mlflow.url | quote }}
{{- if .Values.publicUrl }}
- name: FEDLOOM_PUBLIC_URL
  value: {{ .Values.publicUrl | quote }}
{{- end }}
{{- if .Values.tls.secretName }}
- name: FEDLOOM_TLS_CERTIFICATE
  value: /run/tls/tls.crt
- name: FEDLOOM_TLS_KEY
  value: /run/tls/tls.key
- name: FEDLOOM_CA
  value: /run/tls/ca.crt
{{- else }}
- name: FEDLOOM_INSECURE
  value: "true"
{{- end }}
{{- end -}}

{{- define "fl.fromSecret" -}}
- name: {{ index . 1 }}
  valueFrom:
    secretKeyRef:
      name: {{ include "fl.secretName" (index . 0) }}
      key: {{ index . 1 }}
{{- end -}}

{{- define "fl.moreEnv" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* One key of the secret as a file in /run/fedloom; 0440 with the pod's group. */}}
{{- define "fl.secretFile" -}}
- name: secret
  secret:
    secretName: {{ include "fl.secretName" (index . 0) }}
    defaultMode: 0440
    items:
      - key: {{ index . 1 }}
        path: {{ index . 2 }}
{{- end -}}

{{- define "fl.tlsVolume" -}}
{{- if .Values.tls.secretName }}
- name: tls
  secret:
    secretName: {{ .Values.tls.secretName }}
    defaultMode: 0440
{{- end }}
{{- end -}}

{{- define "fl.tlsMount" -}}
{{- if .Values.tls.secretName }}
- name: tls
  mountPath: /run/tls
  readOnly: true
{{- end }}
{{- end -}}

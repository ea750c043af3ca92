{{/* The name of what is in the cluster once: the release's, unless that says bgsafe itself. */}}
{{- define "bgsafe.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains "bgsafe" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-bgsafe" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels of every object. Called with (list $ "component"). */}}
{{- define "bgsafe.labels" -}}
{{- $top := index . 0 -}}
{{ include "bgsafe.selectorLabels" . }}
app.kubernetes.io/part-of: bgsafe
app.kubernetes.io/version: {{ $top.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $top.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $top.Chart.Name $top.Chart.Version | replace "+" "_" }}
{{- with $top.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "bgsafe.selectorLabels" -}}
{{- $top := index . 0 -}}
app.kubernetes.io/name: bgsafe
app.kubernetes.io/instance: {{ $top.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "bgsafe.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* Do agents publish facts of their nodes, and does the webhook read them? Takes both. */}}
{{- define "bgsafe.nodeFacts" -}}
{{- if and .Values.nodeFacts .Values.agent.enabled .Values.webhook.enabled -}}true{{- end -}}
{{- end -}}

{{/* Does the webhook ask the API server for anything? */}}
{{- define "bgsafe.webhookAsks" -}}
{{- if or (eq .Values.webhook.certificates.mode "self-signed") .Values.webhook.resolve (include "bgsafe.nodeFacts" .) -}}true{{- end -}}
{{- end -}}

{{/* Does the agent? */}}
{{- define "bgsafe.agentAsks" -}}
{{- if or .Values.agent.podNames (include "bgsafe.nodeFacts" .) -}}true{{- end -}}
{{- end -}}

{{/* The Secret that the webhook's certificate is in. */}}
{{- define "bgsafe.certificateSecret" -}}
{{- if eq .Values.webhook.certificates.mode "secret" -}}
{{ required "webhook.certificates.secretName: name the Secret that holds tls.crt and tls.key" .Values.webhook.certificates.secretName }}
{{- else -}}
{{ include "bgsafe.fullname" . }}-webhook-tls
{{- end -}}
{{- end -}}

{{/* For each image pattern of the policy a condition that it cannot do without: its longest literal part. */}}
{{- define "bgsafe.engineImages" -}}
{{- range .Values.policy.engines -}}
{{- $longest := "" -}}
{{- range splitList "*" (regexReplaceAll "\\[!?\\]?[^\\]]*\\]|\\?" .image "*") -}}
{{- if gt (len .) (len $longest) -}}{{- $longest = . -}}{{- end -}}
{{- end -}}
{{ " " }}|| container.?image.orValue('').contains('{{ $longest | replace "\\" "\\\\" | replace "'" "\\'" }}')
{{- end -}}
{{- end -}}

{{/* A NetworkPolicy's way to the API server and to DNS. */}}
{{- define "bgsafe.toApiServer" -}}
- ports:
    {{- range .Values.networkPolicy.apiServerPorts }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
{{- end -}}

{{/* What a container may do, of the restricted Pod Security Standard. */}}
{{- define "bgsafe.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* What all webhooks of the configuration have in common. */}}
{{- define "bgsafe.webhook" -}}
clientConfig:
  {{- if eq .Values.webhook.certificates.mode "secret" }}
  caBundle: {{ required "webhook.certificates.caBundle: give the CA (PEM, in base64) that signed the Secret's certificate" .Values.webhook.certificates.caBundle }}
  {{- end }}
  service:
    name: {{ include "bgsafe.fullname" . }}-webhook
    namespace: {{ .Release.Namespace }}
    path: /validate
    port: 443
admissionReviewVersions: [v1]
sideEffects: None
matchPolicy: Equivalent
timeoutSeconds: {{ .Values.webhook.timeoutSeconds }}
namespaceSelector:
  matchExpressions:
    - key: kubernetes.io/metadata.name
      operator: NotIn
      values:
        - {{ .Release.Namespace }}
        {{- range .Values.webhook.excludedNamespaces }}
        - {{ . }}
        {{- end }}
    - key: bgsafe.io/mode
      operator: NotIn
      values: ["off"]
{{- end -}}

# GitHub's own Markdown chain (the gem html-pipeline): Markdown, sanitizing, mentions. A JSON string a line in, an
# object a line out.
require "html/pipeline"
require "json"

context = { gfm: true, unsafe: true, base_url: "https://github.com/", asset_root: "https://github.githubassets.com/" }
chain = HTML::Pipeline.new(
  [
    HTML::Pipeline::MarkdownFilter,
    HTML::Pipeline::SanitizationFilter,
    HTML::Pipeline::MentionFilter,
    HTML::Pipeline::TeamMentionFilter
  ], context
)
$stdout.sync = true
$stdin.each_line do |line|
  shown = chain.call(JSON.parse(line))
  mentions = shown[:mentioned_usernames].to_a + shown[:mentioned_teams].to_a.map(&:to_s)
  puts JSON.generate({ html: shown[:output].to_s, mentions: mentions })
end
